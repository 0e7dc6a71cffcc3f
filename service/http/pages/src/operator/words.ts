import { wordsOf } from "../shared/language";

const en = {
  title: "Operator",
  asOf: (time: string) => `as of ${time}`,
  connecting: "Connecting…",
  away: "Darkroom can't be reached. Trying again…",
  out: "Sign in with a key of scope admin, or with an operator's link.",
  forbidden: "This session isn't an operator's. This makes a link that is:",
  signIn: "Sign in",
  signOut: "Sign out",
  language: "中文",
  waiting: "Waiting",
  oldest: (time: string) => `the first for ${time}`,
  noneWaits: "nobody waits",
  running: "Running",
  slots: (n: string) => `of ${n} slots`,
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
  share: (percent: string) => `${percent} of what ended`,
  lastDay: "in the last day",
  ended: "Ended tasks, by half hour",
  allModes: "All",
  slot: (from: string, done: string, failed: string, cancelled: string) =>
    `${from}: ${done} done, ${failed} failed, ${cancelled} cancelled`,
  workers: "Workers",
  noWorkers: "No worker has been seen for 15 seconds.",
  idle: "idle",
  since: (time: string) => `since ${time}`,
  attempt: (n: number) => `attempt ${n}`,
  failures: "Failures by code",
  noFailures: "Nothing failed within a day.",
  tasks: "A task's history",
  taskId: "Task id",
  show: "Show",
  noTask: "There is no task with this id.",
  lastEnded: "Ended last",
  close: "Close",
  of: (user: string) => `of ${user}`,
  credits: (charged: string, refunded: string) => `${charged} credits, ${refunded} given back`,
  still: "so far",
  findings: "What the doctor finds",
  allWell: (n: number) => `All well: ${n} parts were looked at.`,
  looking: "Looking…",
  wellParts: "What is well",
  modes: { HEAD_SWAP: "Head", BACKGROUND_CHANGE: "Background", POSE_CHANGE: "Pose" } as Record<string, string>,
  statuses: {
    pending: "waiting",
    processing: "at work",
    done: "done",
    failed: "failed",
    cancelled: "cancelled",
  } as Record<string, string>,
};

type Words = typeof en;

const zh: Words = {
  title: "运维",
  asOf: (time) => `截至 ${time}`,
  connecting: "正在连接…",
  away: "暂时无法连接 Darkroom，正在重试…",
  out: "请用 admin 权限的密钥或运维链接登录。",
  forbidden: "此会话没有运维权限。用此命令生成运维链接：",
  signIn: "登录",
  signOut: "退出登录",
  language: "English",
  waiting: "等待中",
  oldest: (time) => `最早的已等待 ${time}`,
  noneWaits: "无人等待",
  running: "处理中",
  slots: (n) => `共 ${n} 个槽位`,
  done: "已完成",
  failed: "失败",
  cancelled: "已取消",
  share: (percent) => `占已结束任务的 ${percent}`,
  lastDay: "过去一天",
  ended: "已结束的任务（每半小时）",
  allModes: "全部",
  slot: (from, done, failed, cancelled) => `${from}：完成 ${done}，失败 ${failed}，取消 ${cancelled}`,
  workers: "工作进程",
  noWorkers: "15 秒内未见任何工作进程。",
  idle: "空闲",
  since: (time) => `自 ${time}`,
  attempt: (n) => `第 ${n} 次尝试`,
  failures: "按代码统计的失败",
  noFailures: "过去一天没有失败。",
  tasks: "任务历史",
  taskId: "任务 ID",
  show: "查看",
  noTask: "没有这个 ID 的任务。",
  lastEnded: "最近结束",
  close: "关闭",
  of: (user) => `用户 ${user}`,
  credits: (charged, refunded) => `${charged} 点，退还 ${refunded} 点`,
  still: "至今",
  findings: "诊断结果",
  allWell: (n) => `一切正常：已检查 ${n} 项。`,
  looking: "正在检查…",
  wellParts: "正常的项目",
  modes: { HEAD_SWAP: "换头", BACKGROUND_CHANGE: "换背景", POSE_CHANGE: "换姿势" },
  statuses: { pending: "等待", processing: "处理", done: "完成", failed: "失败", cancelled: "取消" },
};

export const words = wordsOf({ en, zh });

/** A span of time as people say it, in its largest unit. */
export function span(seconds: number, language: string): string {
  const [value, unit] =
    seconds < 100
      ? [seconds, "second"]
      : seconds < 6000
        ? [seconds / 60, "minute"]
        : seconds < 172_800
          ? [seconds / 3600, "hour"]
          : [seconds / 86_400, "day"];
  const digits = unit === "second" && value < 9.95 ? 1 : 0;
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: unit as string,
    unitDisplay: "short",
    maximumFractionDigits: digits,
  }).format(value as number);
}
