"""Settings: where they come from, what they take, and what is said when they are wrong."""

import os
from collections.abc import Generator
from pathlib import Path

import msgspec
import pytest
from msgspec.inspect import IntType

from schema.models.edits import Mode
from schema.models.engines import NodeInput, Provenance, WorkflowSettings
from service.embedded.private_files import Lock
from service.settings import PLAIN, Settings, load_settings
from service.settings.sources import UP_LOCK, SettingsError, address_of_up, read_dotenv

DATABASE_URL = "postgresql://ann:s3cr3t-pass@db.example:5432/darkroom"
KEY = "k" * 16
NUMBERS = {
    name.upper(): (kind.ge, kind.le)
    for name, kind in PLAIN.items()
    if isinstance(kind, IntType) and kind.ge is not None and kind.le is not None
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the checkout's `.env` nor a stack that runs in it may change what a test sees."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)


def load(data_dir: Path | None = None, /, **environ: str) -> Settings:
    return load_settings({"DATABASE_URL": DATABASE_URL} | environ, data_dir=data_dir)


UPS: list[Lock] = []
"""What each stack of this test holds."""


@pytest.fixture(autouse=True)
def _stop_ups() -> Generator[None]:
    yield
    while UPS:
        UPS.pop().release()


def make_data_dir(directory: Path) -> Path:
    """One where a stack runs."""
    directory.mkdir()
    UPS.append(Lock(directory / UP_LOCK, "somebody else's"))
    (directory / "ready.json").write_bytes(
        msgspec.json.encode(
            {
                "base_url": "http://127.0.0.1:8000",
                "database_url": "postgresql://up@127.0.0.1:5555/darkroom",
                "redis_url": "redis://127.0.0.1:6666/0",
                "api_key": None,
                "user_id": None,
                "pids": {"api": 1, "workers": [2], "postgres": 3, "redis": 4},
            }
        )
    )
    (directory / "secret-key").write_text("up-made-this-secret-key\n")
    return directory


def test_defaults_are_the_documented_ones(tmp_path: Path) -> None:
    settings = load()
    assert settings.database_url == DATABASE_URL
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert settings.storage_url == (tmp_path / "home/.local/share/darkroom/files").as_uri()
    assert settings.secret_keys == ()
    assert settings.public_url is None
    assert settings.cors_origins == ()
    assert (settings.trusted_proxies, settings.keep_alive_seconds) == ((), 75)
    assert (settings.log_format, settings.database_pooler) == ("console", "auto")
    assert (settings.database_pool_size, settings.worker_slots, settings.worker_remote_slots) == (10, 1, 8)
    assert (settings.engine_away_seconds, settings.workflows) == (60, WorkflowSettings())
    assert settings.engine_threads == len(os.sched_getaffinity(0))
    assert (settings.max_upload_bytes, settings.max_image_pixels) == (10_485_760, 40_000_000)
    assert (settings.max_pending_per_user, settings.max_processing_per_user) == (1000, 3)
    assert (settings.rate_limit_per_minute, settings.task_timeout_seconds, settings.task_max_attempts) == (600, 300, 3)
    assert (settings.task_retention_days, settings.upload_retention_days) == (0, 0)
    assert settings.engines == dict.fromkeys(Mode, ("local",))


def test_engines_and_what_their_workflows_need() -> None:
    settings = load(
        ENGINE="runninghub, local",
        ENGINE_POSE_CHANGE="comfyui",
        COMFYUI_URL="http://gpu1:8188/, https://ann:s3cr3t@gpu2.example/proxy/k3y",
        COMFYUI_WORKFLOW_POSE_CHANGE="/flows/pose.json",
        RUNNINGHUB_API_KEY="0123456789abcdef",
        RUNNINGHUB_CONCURRENCY="3",
        RUNNINGHUB_WORKFLOW_HEAD_SWAP="1850925505116598274",
        WORKFLOW_NODES_HEAD_SWAP="source=6.image, reference=7.image,output=10,seed=3.seed,blend_strength=12.value",
        WORKFLOW_PROVENANCE_POSE_CHANGE="composite",
    )
    assert settings.engines == dict.fromkeys(Mode, ("runninghub", "local")) | {Mode.POSE_CHANGE: ("comfyui",)}
    assert settings.workflows == WorkflowSettings(
        comfyui_urls=("http://gpu1:8188", "https://ann:s3cr3t@gpu2.example/proxy/k3y"),
        comfyui_workflows={Mode.POSE_CHANGE: "/flows/pose.json"},
        runninghub_api_key="0123456789abcdef",
        runninghub_concurrency=3,
        runninghub_workflows={Mode.HEAD_SWAP: "1850925505116598274"},
        nodes={
            Mode.HEAD_SWAP: {
                "source": NodeInput("6", "image"),
                "reference": NodeInput("7", "image"),
                "output": NodeInput("10"),
                "seed": NodeInput("3", "seed"),
                "blend_strength": NodeInput("12", "value"),
            }
        },
        provenance={Mode.POSE_CHANGE: Provenance.COMPOSITE},
    )
    assert "s3cr3t" not in repr(settings.workflows)


def test_every_number_can_be_set_and_has_its_bounds() -> None:
    assert len(NUMBERS) == sum(isinstance(kind, IntType) for kind in PLAIN.values())
    settings = load(**{name: str(most) for name, (_, most) in NUMBERS.items()})
    assert {name: getattr(settings, name.lower()) for name in NUMBERS} == {n: most for n, (_, most) in NUMBERS.items()}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_wrong_number_is_refused_with_its_range(name: str) -> None:
    least, most = NUMBERS[name]
    for wrong in ("ten", "1.5", "-1", "1_0", "\u0661", "1e3", str(least - 1), str(most + 1), "9" * 30):
        with pytest.raises(SettingsError) as caught:
            load(**{name: wrong})
        assert str(caught.value) == f"{name} takes a whole number from {least} to {most}"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("DATABASE_URL", "mysql://u:s3cr3t@h/d"),
        ("DATABASE_URL", "postgresql://u:s3cr3t#1@h/d"),
        ("DATABASE_URL", "postgresql://u:s3cr3t@h:port/d"),
        ("DATABASE_URL", "postgresql://u:s3cr3t@h:70000/d"),
        ("DATABASE_URL", "postgresql://u:s3cr3t@[::1/d"),
        ("DATABASE_URL", "postgresql://u:s3cr3t@h/d?port=x"),
        ("DATABASE_URL", "postgresql://u:s3cr3t@h\n.example/d"),
        ("DATABASE_URL", "s3cr3t"),
        ("REDIS_URL", "http://:s3cr3t@h:6379"),
        ("REDIS_PREFIX", "a b"),
        ("REDIS_PREFIX", ":"),
        ("REDIS_PREFIX", "pre*"),
        ("REDIS_PREFIX", "{tag}"),
        ("REDIS_PREFIX", "x" * 101),
        ("IDLE_LOOK_SECONDS", "0"),
        ("IDLE_LOOK_SECONDS", "0.5"),
        ("IDLE_LOOK_SECONDS", "301"),
        ("REDIS_URL", "redis://:s3cr3t@h:6379/zero"),
        ("REDIS_URL", "redis://:s3cr3t@h:x/0"),
        ("REDIS_URL", "s3cr3t"),
        ("STORAGE_URL", "s3cr3t"),
        ("STORAGE_URL", "file://s3cr3t"),
        ("STORAGE_URL", "file://host/s3cr3t"),
        ("STORAGE_URL", "s3:///s3cr3t"),
        ("STORAGE_URL", "s3://key:s3cr3t@bucket/x"),
        ("STORAGE_URL", "gs://s3cr3t"),
        ("SECRET_KEY", "s3cr3t"),
        ("SECRET_KEY", f"{KEY},s3cr3t"),
        ("SECRET_KEY", "s3cr3t-that-is-long-\udcff-broken"),
        ("PUBLIC_URL", "s3cr3t.example.com"),
        ("PUBLIC_URL", "https://u:s3cr3t@example.com"),
        ("PUBLIC_URL", "https://example.com/?s3cr3t"),
        ("PUBLIC_URL", "https://s3cr3t.example.com/?"),
        ("PUBLIC_URL", "https://s3cr3t.example.com#"),
        ("CORS_ORIGINS", "s3cr3t.example.com"),
        ("CORS_ORIGINS", "https://a.example, https://b.example/s3cr3t"),
        ("CORS_ORIGINS", "https://s3cr3t.example:99999"),
        ("CORS_ORIGINS", "https://:443"),
        ("CORS_ORIGINS", "https://[::1"),
        ("CORS_ORIGINS", "https://[zz]"),
        ("CORS_ORIGINS", "https://s3cr3t@a.example"),
        ("TRUSTED_PROXIES", "s3cr3t.example.com"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, 10.0.0.0/33"),
        ("TRUSTED_PROXIES", "*"),
        ("LOG_FORMAT", "s3cr3t"),
        ("DATABASE_POOLER", "s3cr3t"),
        ("ENGINE", "s3cr3t"),
        ("ENGINE_POSE_CHANGE", "s3cr3t"),
        ("ENGINE_POSE_CHANGE", "local,s3cr3t"),
        ("ENGINE", "local,local"),
        ("COMFYUI_URL", "s3cr3t"),
        ("COMFYUI_URL", "http://h:8188,ftp://s3cr3t"),
        ("COMFYUI_URL", "http://u:s3cr3t@h/p?x=1"),
        ("COMFYUI_URL", "http://u:s3cr3t@h/p?"),
        ("RUNNINGHUB_URL", "https://s3cr3t.example#"),
        ("RUNNINGHUB_URL", "https://s3cr3t.example,https://b.example"),
        ("RUNNINGHUB_API_KEY", "s3cr3t s3cr3t"),
        ("RUNNINGHUB_CONCURRENCY", "0"),
        ("RUNNINGHUB_WORKFLOW_HEAD_SWAP", "s3cr3t/1"),
        ("WORKFLOW_NODES_HEAD_SWAP", "s3cr3t"),
        ("WORKFLOW_NODES_HEAD_SWAP", "source=6"),
        ("WORKFLOW_NODES_HEAD_SWAP", "output=9.images"),
        ("WORKFLOW_NODES_HEAD_SWAP", "source=6.image,source=7.image"),
        ("WORKFLOW_NODES_HEAD_SWAP", "edge_blur=6.value"),
        ("WORKFLOW_PROVENANCE_HEAD_SWAP", "s3cr3t"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_that_names_the_variable_and_not_the_value(name: str, wrong: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**{name: wrong})
    message = str(caught.value)
    assert message.startswith(f"{name} takes ")
    assert "s3cr3t" not in message
    assert "\n" not in message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "CORS_ORIGINS", "TRUSTED_PROXIES", "COMFYUI_URL", "RUNNINGHUB_URL", "ENGINE"]
)
def test_commas_alone_are_no_list(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} takes "):
        load(**{name: ", ,"})


def test_origins_are_spelt_as_browsers_do() -> None:
    origins = "https://a.example:443/,http://A.example:80,http://a.example:443,http://[0:0::1]:5173,*"
    expected = ("https://a.example", "http://a.example", "http://a.example:443", "http://[::1]:5173", "*")
    assert load(CORS_ORIGINS=origins).cors_origins == expected


def test_choices_are_listed() -> None:
    with pytest.raises(SettingsError, match=r"^LOG_FORMAT takes console or json$"):
        load(LOG_FORMAT="xml")
    with pytest.raises(SettingsError, match=r"^DATABASE_POOLER takes auto or none or transaction$"):
        load(DATABASE_POOLER="session")


def test_a_missing_database_is_one_line_that_names_the_ways_out() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({})
    message = str(caught.value)
    assert message.startswith("DATABASE_URL is not set")
    assert "darkroom up" in message
    assert "--data-dir" in message
    assert "\n" not in message


def test_values_are_taken_as_documented() -> None:
    settings = load(
        REDIS_URL="rediss://:p@redis.example:6380/2",
        STORAGE_URL="s3://bucket-1/a/b",
        SECRET_KEY=f" {KEY} ,{KEY}2,",
        PUBLIC_URL="https://photos.example.com/",
        CORS_ORIGINS="https://App.example.com/, http://localhost:5173",
        TRUSTED_PROXIES="127.0.0.1, 10.1.2.3/8,fd00::/8,",
        LOG_FORMAT="json",
        ENGINE="local",
        AWS_REGION="eu-central-1",
        AWS_ENDPOINT_URL="http://minio:9000",
    )
    assert settings.redis_url == "rediss://:p@redis.example:6380/2"
    assert settings.storage_url == "s3://bucket-1/a/b"
    assert settings.storage_options == {"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "http://minio:9000"}
    assert settings.secret_keys == (KEY, f"{KEY}2")
    assert settings.public_url == "https://photos.example.com"
    assert settings.cors_origins == ("https://app.example.com", "http://localhost:5173")
    assert settings.trusted_proxies == ("127.0.0.1/32", "10.0.0.0/8", "fd00::/8")
    assert settings.log_format == "json"


def test_an_empty_variable_is_not_set() -> None:
    settings = load(PUBLIC_URL="", MAX_UPLOAD_BYTES=" ", SECRET_KEY="", REDIS_URL="", LOG_FORMAT="")
    assert settings == load()


@pytest.mark.parametrize(
    ("url", "pooler", "expected"),
    [
        ("postgresql://u:p@h:6543/d", "auto", True),
        ("postgresql://u:p@h:5432/d", "auto", False),
        ("postgresql://u:p@h/d", "auto", False),
        ("postgresql://u:p@a:5432,[::1]:6543/d", "auto", True),
        ("postgresql://u:p@/d?host=/run/postgresql&port=6543", "auto", True),
        ("postgresql:///d", "auto", False),
        ("postgresql://u:6543@h/d", "auto", False),
        ("postgresql://u:p@h:6543/d", "none", False),
        ("postgres://u:p@h:5432/d", "transaction", True),
    ],
)
def test_a_transaction_pooler_is_known_by_its_port_or_said(url: str, pooler: str, expected: bool) -> None:
    assert load(DATABASE_URL=url, DATABASE_POOLER=pooler).through_pooler is expected


def test_the_secret_is_asked_for_only_by_those_that_need_it() -> None:
    with pytest.raises(SettingsError, match=r"^SECRET_KEY is not set\. .*at least 16 characters"):
        load().require_secret()
    assert load(SECRET_KEY=KEY).require_secret() == (KEY,)


def test_nothing_secret_is_in_a_repr() -> None:
    settings = load(SECRET_KEY=KEY, AWS_SECRET_ACCESS_KEY="aws-secret")
    for text in (repr(settings), str(settings), f"{settings!r:>5}"):
        assert KEY not in text
        assert "s3cr3t-pass" not in text
        assert "aws-secret" not in text


def test_a_data_directory_tells_what_its_stack_listens_on(tmp_path: Path) -> None:
    data_dir = make_data_dir(tmp_path / "data dir")
    settings = load_settings({}, data_dir=data_dir)
    assert settings.database_url == "postgresql://up@127.0.0.1:5555/darkroom"
    assert settings.redis_url == "redis://127.0.0.1:6666/0"
    assert settings.storage_url == f"file://{tmp_path}/data%20dir/files"
    assert settings.secret_keys == ("up-made-this-secret-key",)
    assert settings.public_url is None


def test_the_default_data_directory_counts_when_a_stack_runs_there(tmp_path: Path) -> None:
    make_data_dir(tmp_path / ".darkroom")
    assert load_settings({}).redis_url == "redis://127.0.0.1:6666/0"
    (tmp_path / ".darkroom/ready.json").unlink()
    assert load().secret_keys == ()


def test_what_a_killed_stack_left_behind_leads_nobody_to_where_it_was(tmp_path: Path) -> None:
    data_dir = make_data_dir(tmp_path / ".darkroom")
    assert address_of_up(data_dir) == "http://127.0.0.1:8000"
    UPS.pop().release()
    assert address_of_up(data_dir) is None
    assert load().secret_keys == ()
    for given in (None, data_dir):
        with pytest.raises(SettingsError, match=r"^DATABASE_URL is not set"):
            load_settings({}, data_dir=given)


def test_a_starting_stack_finds_its_key_and_files_before_it_is_ready(tmp_path: Path) -> None:
    data_dir = make_data_dir(tmp_path / "d")
    (data_dir / "ready.json").unlink()
    settings = load(data_dir)
    assert settings.secret_keys == ("up-made-this-secret-key",)
    assert settings.storage_url == (data_dir / "files").as_uri()


def test_the_environment_wins_over_dotenv_over_the_data_directory(tmp_path: Path) -> None:
    data_dir = make_data_dir(tmp_path / "d")
    (tmp_path / ".env").write_text(
        "REDIS_URL=redis://dotenv:1\nSECRET_KEY=dotenv-secret-key-1\nMAX_UPLOAD_BYTES=1000\nAWS_REGION=from-dotenv\n"
    )
    settings = load_settings({"SECRET_KEY": KEY, "AWS_ENDPOINT_URL": "http://env"}, data_dir=data_dir)
    assert settings.database_url == "postgresql://up@127.0.0.1:5555/darkroom"
    assert settings.redis_url == "redis://dotenv:1"
    assert settings.secret_keys == (KEY,)
    assert settings.max_upload_bytes == 1000
    assert settings.storage_options == {"AWS_ENDPOINT_URL": "http://env", "AWS_REGION": "from-dotenv"}
    assert load_settings({"DATABASE_URL": DATABASE_URL}, dotenv=None).redis_url == "redis://127.0.0.1:6379/0"


def test_an_error_says_which_file_is_wrong(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WORKER_SLOTS=many\n")
    with pytest.raises(SettingsError, match=r"^WORKER_SLOTS \(in \.env\) takes a whole number from 1 to"):
        load()
    assert load(WORKER_SLOTS="2").worker_slots == 2


def test_dotenv_files_are_read_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text(
        "\ufeff# a comment\n\nPLAIN=value\n  export SPACED = some words # a comment\r\nHASH=a#b\nEMPTY=\n"
        'SINGLE=\'a # b \\n\' # comment\nDOUBLE="say \\"hi\\" # $1"\nURL=postgresql://u:p%23@h/d?a=b\n',
        encoding="utf-8",
    )
    assert read_dotenv(path) == {
        "PLAIN": "value",
        "SPACED": "some words",
        "HASH": "a#b",
        "EMPTY": "",
        "SINGLE": "a # b \\n",
        "DOUBLE": 'say "hi" # $1',
        "URL": "postgresql://u:p%23@h/d?a=b",
    }


@pytest.mark.parametrize("line", ["no equals s3cr3t", "='s3cr3t'", "A='s3cr3t", 'A="s3cr3t', "A='s3'cr3t"])
def test_a_broken_dotenv_names_the_line_without_showing_it(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"A=1\n{line}\n")
    with pytest.raises(SettingsError, match=r"^\.env, line 2: takes NAME=value$"):
        load()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"database_url": 1, "redis_url": "x"}', b"\xff\xfe"])
def test_a_broken_ready_file_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    data_dir = make_data_dir(tmp_path / "d")
    (data_dir / "ready.json").write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load_settings({}, data_dir=data_dir)
    assert "\n" not in str(caught.value)


def test_a_data_directory_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="can't be read: Not a directory"):
        load(tmp_path / "file")


def test_a_file_of_settings_that_never_ends_is_not_read_on(tmp_path: Path) -> None:
    (file := tmp_path / ".env").symlink_to("/dev/zero")
    with pytest.raises(SettingsError, match="can't be read: it is larger than 1 MB"):
        read_dotenv(file)


def test_files_are_kept_in_one_place_wherever_a_process_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = load().storage_url
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load().storage_url == here
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert load().storage_url == "file:///data/darkroom/files"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError))
    assert load().storage_url == "file:///var/lib/darkroom/files"


def test_the_port_is_the_hosts_to_say() -> None:
    assert load().port == 8000
    assert load(PORT="10000").port == 10_000
    with pytest.raises(SettingsError, match=r"^PORT takes a whole number from 0 to 65535$"):
        load(PORT="tcp://10.0.0.1:80")
