"""Settings: file, environment and flags, and what is said about the wrong ones."""

from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from hopmap import check_config, config
from hopmap.errors import UserError


@dataclass(frozen=True)
class Kettle:
    """Settings of a part that does not exist."""

    water_litres: float = config.setting(1.0, "how much to boil", low=0.1, high=2.0)
    cups: int = config.setting(2, "for how many", low=1)
    whistle: bool = config.setting(default=True, about="tell when it boils")
    leaves: tuple[str, ...] = config.setting(("black",), "what to brew", choices=("black", "green", "mint"))
    note: str | None = config.setting(None, "said to the guests")
    key: str = config.setting("", "opens the tin", env="TIN_KEY")
    guests: tuple[str, ...] = config.setting((), "who is coming")
    shelf: str = config.setting("./shelf", "where the cups stand")
    grains: int = config.setting(9, "of sugar", low=0, high=10_000_000)

    def __post_init__(self) -> None:
        if self.cups > 8 and self.water_litres < 2:
            raise ValueError("cups: more than 8 need water_litres: 2")


def kettle(*flags: str, **environ: str) -> Kettle:
    parser = config.parser("kettle", "Boil water.", "  hopmap kettle --cups 3\n")
    config.add_flags(parser, Kettle)
    return config.load(Kettle, "kettle", parser.parse_args(flags), environ)


def complaint(*flags: str, **environ: str) -> str:
    with pytest.raises(UserError) as caught:
        kettle(*flags, **environ)
    return str(caught.value)


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_defaults_then_file_then_environment_then_flags(tmp_path: Path) -> None:
    file = written(tmp_path / "kettle.yaml", "cups: 3\nwater_litres: 2\nleaves: [green, mint]\nnote: hello\n")
    assert kettle() == Kettle()
    assert kettle("--config", file) == Kettle(2.0, 3, leaves=("green", "mint"), note="hello")
    assert kettle("--config", file, HOPMAP_KETTLE_CUPS="4", TIN_KEY="k").cups == 4
    assert kettle("--config", file, "--cups=5", HOPMAP_KETTLE_CUPS="4").cups == 5
    assert kettle("--leaves=mint", "--leaves=green", "--no-whistle") == Kettle(whistle=False, leaves=("mint", "green"))
    assert kettle(HOPMAP_KETTLE_LEAVES="mint, black", HOPMAP_KETTLE_WHISTLE="off", TIN_KEY="k") == Kettle(
        whistle=False, leaves=("mint", "black"), key="k"
    )
    assert kettle("--config", file, HOPMAP_KETTLE_NOTE="none").note is None


@pytest.mark.parametrize("nothing", ["none", "null", "~", ""])
def test_a_setting_is_emptied_in_a_file(tmp_path: Path, nothing: str) -> None:
    file = written(tmp_path / "kettle.yaml", f"note: {nothing}\n")
    assert kettle("--config", file, HOPMAP_KETTLE_CUPS="3") == Kettle(cups=3)


@pytest.mark.parametrize("key", ["note", "key", "guests"])
@pytest.mark.parametrize("nothing", ["none", ""])
def test_whatever_may_be_empty_is_emptied_everywhere(tmp_path: Path, key: str, nothing: str) -> None:
    full = written(tmp_path / "full.yaml", "note: hello\nkey: tin\nguests: [anna, ben]\n")
    empty = getattr(Kettle(), key)
    assert getattr(kettle("--config", full, f"--{key}={nothing}"), key) == empty
    name = "TIN_KEY" if key == "key" else f"HOPMAP_KETTLE_{key.upper()}"
    assert getattr(kettle("--config", full, **{name: nothing}), key) == empty
    assert getattr(kettle("--config", written(tmp_path / "one.yaml", f"{key}: '{nothing}'\n")), key) == empty
    assert getattr(kettle("--config", written(tmp_path / "one.yaml", f"{key}:\n")), key) == empty


def test_what_may_not_be_empty_is_not(tmp_path: Path) -> None:
    assert complaint("--shelf=") == "--shelf must not be empty"
    assert complaint(HOPMAP_KETTLE_SHELF="") == "environment: HOPMAP_KETTLE_SHELF must not be empty"
    assert complaint("--guests=anna", "--guests=") == "--guests must not be empty"
    assert complaint("--config", written(tmp_path / "k.yaml", "shelf: ''\n")).endswith(
        "k.yaml:1: shelf must not be empty"
    )


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert kettle("--config", written(tmp_path / "empty.yaml", "# nothing\n")) == Kettle()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cups: 3\ncusp: 4\n", ":2: unknown key 'cusp': did you mean 'cups'?"),
        ("xyzzy: 4\n", ":1: unknown key 'xyzzy': known are water_litres, cups, whistle"),
        ("cups: 3\ncups: 4\n", ":2: 'cups' is given twice"),
        ("cups: three\n", ":1: cups must be a whole number, not 'three'"),
        ("cups: 2.5\n", ":1: cups must be a whole number, not '2.5'"),
        ("cups: true\n", ":1: cups must be a whole number, not 'True'"),
        ("cups: 0\n", ":1: cups must be at least 1, not 0"),
        ("water_litres: .nan\n", ":1: water_litres must be from 0.1 to 2, not nan"),
        ("whistle: 7\n", ":1: whistle must be true or false, not '7'"),
        ("note: 7\n", ":1: note must be text, not '7'"),
        ("leaves: [black, coffee]\n", ":1: leaves must be one of black, green, mint, not 'coffee'"),
        ("- cups\n", ": must be a list of 'key: value' lines"),
        ("cups: [\n", ":2: not YAML"),
        ("cups: \x00\n", ": not YAML"),
        ("cups: !!python/object:os.system {}\n", ":1: not YAML"),
        ("cups: 3\nnote: 2026-13-45\n", ":2: note: not YAML: month must be in 1..12"),
        ("note: 0b_\n", ":1: note: not YAML: invalid literal"),
        ("note: !!timestamp tea\n", ":1: note: not YAML: "),
        ("note: !!bool tea\n", ":1: note: not YAML: "),
        ("guests: " + "[" * 3_000, ": not YAML: nested too deeply"),
        ("grains: 10000001\n", ":1: grains must be from 0 to 10000000, not 10000001"),
    ],
)
def test_a_file_that_is_wrong_is_told_by_place_and_key(tmp_path: Path, text: str, said: str) -> None:
    file = written(tmp_path / "kettle.yaml", text)
    assert complaint("--config", file).startswith(file + said)


def test_what_the_class_refuses_is_told_too(tmp_path: Path) -> None:
    assert complaint("--cups=9") == "cups: more than 8 need water_litres: 2"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.yaml")
    assert complaint("--config", missing) == (
        f"cannot read {missing}: No such file or directory; give an existing file with --config"
    )
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    assert "byte 0 is not UTF-8 text" in complaint("--config", str(tmp_path / "binary.yaml"))


def test_environment_and_flags_that_are_wrong() -> None:
    assert complaint(HOPMAP_KETTLE_CUSP="1") == (
        "environment: unknown variable 'HOPMAP_KETTLE_CUSP': did you mean 'HOPMAP_KETTLE_CUPS'?"
    )
    # one that has a name of its own is told by that
    assert complaint(HOPMAP_KETTLE_KEY="1") == (
        "environment: unknown variable 'HOPMAP_KETTLE_KEY': did you mean 'TIN_KEY'?"
    )
    assert complaint(HOPMAP_KETTLE_CUPS="x") == "environment: HOPMAP_KETTLE_CUPS must be a whole number, not 'x'"
    assert complaint(HOPMAP_KETTLE_WHISTLE="perhaps").endswith("must be true or false, not 'perhaps'")
    assert complaint("--cups=x") == "--cups must be a whole number, not 'x'"
    assert complaint("--water-litres=9") == "--water-litres must be from 0.1 to 2, not 9.0"
    assert complaint("--frobnicate").endswith("'hopmap kettle --help' shows what it takes")


def test_help_shows_every_key_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        kettle("--help")
    shown = capsys.readouterr().out
    for field in fields(Kettle):
        assert f"--{field.name.replace('_', '-')}" in shown
    assert "how much to boil (default: 1.0)" in shown
    assert "examples:\n  hopmap kettle --cups 3" in shown


def test_the_table_for_the_documentation() -> None:
    table = config.table(Kettle, "kettle")
    assert "| `cups` | `2` | `HOPMAP_KETTLE_CUPS` | for how many |" in table
    assert "| `key` | none | `TIN_KEY` | opens the tin |" in table


def test_check_config_tells_whose_file_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agent = written(tmp_path / "agent.yaml", "interval_seconds: 30\ncooldown_minutes: 10\n")
    served = written(tmp_path / "input.yaml", "port: 8080\nseed_budget: 100\n")
    assert check_config.run([agent, served]) == 0
    assert capsys.readouterr().out == f"{agent}: good, for hopmap agent\n{served}: good, for hopmap input\n"


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        ([], "interval_second: 30\n", "unknown key 'interval_second': did you mean 'interval_seconds'?"),
        (["--part", "output"], "interval_seconds: 30\n", "unknown key 'interval_seconds'"),
        ([], "{", "not YAML"),
        ([], "name: 2026-13-45\n", ":1: name: not YAML: month must be in 1..12"),
        ([], "name: a b\n", "some.yaml: name 'a b' must be"),
    ],
)
def test_check_config_complains_as_the_part_would(tmp_path: Path, arguments: list[str], text: str, said: str) -> None:
    file = written(tmp_path / "some.yaml", text)
    with pytest.raises(UserError) as caught:
        check_config.run([*arguments, file])
    assert said in str(caught.value)


def test_check_config_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*: No such file"):
        check_config.run([str(tmp_path / "none.yaml")])
