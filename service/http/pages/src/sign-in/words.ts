import { wordsOf } from "../shared/language";

const en = {
  signingIn: "Signing in…",
  title: "Sign in",
  hint: "An API key (dk_…) or a token. It becomes a session of this browser.",
  key: "API key or token",
  signIn: "Sign in",
  used: "This link was used already, or is older than 15 minutes.",
  another: "darkroom user link USER makes another; an API key will do as well.",
  wrong: "This API key or token is not valid, has expired or was revoked.",
  away: "Darkroom can't be reached at the moment. Please try again.",
  already: (who: string) => `You are signed in as ${who}. The link signs in somebody it was made for.`,
  useLink: "Use the link",
  stay: (who: string) => `Stay ${who}`,
};

type Words = typeof en;

const zh: Words = {
  signingIn: "正在登录…",
  title: "登录",
  hint: "API 密钥（dk_…）或令牌，登录后由此浏览器的会话代替。",
  key: "API 密钥或令牌",
  signIn: "登录",
  used: "此链接已被使用，或已超过 15 分钟。",
  another: "用 darkroom user link USER 可再生成一个；也可使用 API 密钥。",
  wrong: "此 API 密钥或令牌无效、已过期或已吊销。",
  away: "暂时无法连接 Darkroom，请重试。",
  already: (who: string) => `您已以 ${who} 登录。此链接将登录为它所属的用户。`,
  useLink: "使用链接",
  stay: (who: string) => `继续以 ${who} 使用`,
};

export const words = wordsOf({ en, zh });
