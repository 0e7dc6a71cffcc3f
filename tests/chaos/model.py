"""What should be: a task's life, a balance and a line of waiting tasks in plain Python, without any database."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from schema.models.problems import ProblemCode
from schema.models.tasks import LINE, Priority, TaskRecord, TaskStatus
from service.tasks.lifecycle import LEASE, Claim

MAX_ATTEMPTS = 3
MAX_PENDING = 4
CREDITS = 220
NEVER = datetime.min.replace(tzinfo=UTC)

RETRYABLE = {TaskStatus.FAILED, TaskStatus.CANCELLED}


@dataclass
class Life:
    """A task as it should be."""

    task_id: str
    user_id: str
    price: int
    priority: Priority
    created_at: datetime
    line: int
    status: TaskStatus = TaskStatus.PENDING
    attempts: int = 0
    token: int = 0
    progress: int = 0
    not_before: datetime | None = None
    lease_until: datetime | None = None

    def what(self) -> tuple[object, ...]:
        """What is compared with the table's row."""
        return (self.status, self.attempts, self.token, self.progress, self.line, self.not_before, self.lease_until)


def row_as_life(row: TaskRecord) -> tuple[object, ...]:
    return (
        row.status,
        row.attempts,
        row.lease_token,
        row.progress,
        row.line,
        row.not_before,
        row.lease_expires_at,
    )


@dataclass
class Model:
    """Every user's balance, every task that wasn't deleted, every idempotency key."""

    balances: dict[str, int]
    lives: dict[str, Life] = field(default_factory=dict[str, Life])
    keys: dict[tuple[str, str, str], tuple[bytes, str]] = field(
        default_factory=dict[tuple[str, str, str], tuple[bytes, str]]
    )
    turns: dict[str, datetime] = field(default_factory=dict[str, datetime])

    def of(self, user_id: str, *statuses: TaskStatus) -> list[Life]:
        return [life for life in self.lives.values() if life.user_id == user_id and life.status in statuses]

    def refusal(self, user_id: str, price: int) -> ProblemCode | None:
        """Why a new task would be refused."""
        if len(self.of(user_id, TaskStatus.PENDING)) >= MAX_PENDING:
            return ProblemCode.TOO_MANY_PENDING_TASKS
        return ProblemCode.INSUFFICIENT_CREDITS if self.balances[user_id] < price else None

    def created(self, task: TaskRecord) -> None:
        assert task.user_id is not None
        assert task.task_id not in self.lives
        self.balances[task.user_id] -= task.credits_consumed
        self.lives[task.task_id] = Life(
            task.task_id, task.user_id, task.credits_consumed, task.priority, task.created_at, LINE[task.priority]
        )

    def is_live(self, claim: Claim) -> bool:
        """Whether a claim is still its holder's."""
        life = self.lives.get(claim.task_id)
        return life is not None and life.status is TaskStatus.PROCESSING and life.token == claim.lease_token

    def next(self, now: datetime) -> Life | None:
        """Whose turn it is: fewest running, then the oldest last claim; among one user's, the line."""
        due = [
            life
            for life in self.lives.values()
            if life.status is TaskStatus.PENDING and (life.not_before is None or life.not_before <= now)
        ]
        return min(due, key=self._turn, default=None)

    def _turn(self, life: Life) -> tuple[object, ...]:
        last = self.turns.get(life.user_id)
        running = len(self.of(life.user_id, TaskStatus.PROCESSING))
        asked = (life.line, life.created_at, life.task_id)
        return (running, last or NEVER, life.user_id, *asked)

    def claimed(self, life: Life, now: datetime) -> None:
        life.status = TaskStatus.PROCESSING
        life.attempts += 1
        life.token += 1
        life.progress = 0
        life.not_before = None
        life.lease_until = now + LEASE
        self.turns[life.user_id] = now

    def ended(self, task_id: str, status: TaskStatus) -> None:
        life = self.lives[task_id]
        assert not life.status.ended
        life.status = status
        life.lease_until = None
        if status is TaskStatus.DONE:
            life.progress = 100
        else:
            self.balances[life.user_id] += life.price
        if status is TaskStatus.CANCELLED:
            # Its time and its place in the line are left as they are; nobody looks at them.
            return

    def requeued(self, task_id: str, *, to_the_head: bool, attempts_returned: int, not_before: datetime | None) -> None:
        life = self.lives[task_id]
        assert life.status is TaskStatus.PROCESSING
        life.status = TaskStatus.PENDING
        life.attempts -= attempts_returned
        life.progress = 0
        life.lease_until = None
        life.not_before = not_before
        if to_the_head:
            life.line = 0

    def cut_off(self, task_id: str) -> None:
        """Its worker died: again at once, or never more."""
        if self.lives[task_id].attempts >= MAX_ATTEMPTS:
            self.ended(task_id, TaskStatus.FAILED)
        else:
            self.requeued(task_id, to_the_head=True, attempts_returned=0, not_before=None)
