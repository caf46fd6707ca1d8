"""The house keeps its rules: imports, names, sizes, docstrings, the public face, the verbs."""

import ast
import contextlib
import functools
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tyro
from tiny import clips as builders

import simlift
from simlift import cli
from simlift.core.layers import Layer

ROOT = Path(simlift.__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "simlift"
MODULES = sorted(SOURCE.rglob("*.py"))
LONGEST = 350  # lines of a file

# Libraries that cost a second, a gigabyte or a driver to import.
HEAVY = frozenset(
    "torch diffusers transformers mujoco gymnasium_robotics scipy numba ray pyarrow OpenEXR "
    "mitsuba matplotlib lerobot h5py peft accelerate tensorboardX safetensors ftfy rerun".split()
)


def named(path):
    return str(path.relative_to(SOURCE))


@functools.cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imported_at_once(path):
    """Return the top names of all that importing this file imports."""
    return set().union(*(imports(node) for node in outside_functions(tree(path).body)))


def is_private(path):
    return path.name.startswith("_") and path.name != "__init__.py"


def in_python(code, *, cwd=None):
    """Run code in a fresh interpreter, as a user would, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LOADED = f"import sys; print('loaded', sorted(set(sys.modules) & {set(HEAVY)!r}))"


def loaded_after(code, cwd=None):
    out = in_python(f"{code}\n{LOADED}", cwd=cwd)
    return set(re.findall(r"'(\w+)'", out.rpartition("loaded ")[2]))


def test_importing_loads_nothing_heavy():
    assert loaded_after("import simlift") == set()


def test_help_loads_nothing_heavy():
    code = "import sys, simlift.cli as c\ntry:\n  c.main(['--help'])\nexcept SystemExit: pass"
    assert loaded_after(code) == set()


def lift_code(look):
    return f"""
import simlift
from simlift.engines.photographic.looks.look import Sensor
look = simlift.Look({look})
simlift.lift(simlift.open_clip("clip"), simlift.Photographic(look))
"""


def test_a_plain_lift_without_noise_loads_nothing_heavy(tmp_path):
    builders.sequence(tmp_path / "clip", builders.flat_frames(3))
    assert loaded_after(lift_code("sensor=Sensor(bayer=False)"), tmp_path) == set()


def test_the_default_look_loads_its_compiler_alone(tmp_path):
    builders.native(tmp_path / "clip", [Layer.RGB, Layer.DEPTH], 2)
    # numba itself imports scipy where it is installed, for its linear algebra.
    assert loaded_after(lift_code(""), tmp_path) - {"scipy"} == {"numba"}


def imports(node):
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and not node.level:
        return {(node.module or "").partition(".")[0]}
    return set()


def outside_functions(body):
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue  # never imported
        yield node
        for name in ("body", "orelse", "finalbody", "handlers"):
            inner = getattr(node, name, None)
            if isinstance(inner, list):
                yield from outside_functions(inner)


def test_heavy_libraries_are_imported_where_they_are_used():
    """Private modules may import them: these are loaded inside functions, see the next test."""
    offenders = [named(p) for p in MODULES if not is_private(p) and imported_at_once(p) & HEAVY]
    assert offenders == []


def test_modules_with_heavy_libraries_are_imported_inside_functions():
    heavy = {path.stem for path in MODULES if imported_at_once(path) & HEAVY}
    assert [name for name in sorted(heavy) if not name.startswith("_")] == []
    offenders = []
    for path in MODULES:
        if is_private(path):
            continue
        for node in outside_functions(tree(path).body):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("simlift"):
                last = node.module.rpartition(".")[2]
                if found := ({last} | {alias.name for alias in node.names}) & heavy:
                    offenders.append((named(path), sorted(found)))
    assert offenders == []


def test_every_module_opens_with_a_sentence():
    def opens(path):
        text = ast.get_docstring(tree(path)) or ""
        return re.search(r"[.:?!]", text.partition("\n\n")[0])

    assert [named(path) for path in MODULES if not opens(path)] == []


def test_no_file_is_long():
    lengths = {named(p): len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


VAGUE = frozenset("utils util helpers helper common misc base".split())
PROHIBITED_CALLS = frozenset("print eval exec breakpoint".split())
UNSAFE = frozenset("pickle dill joblib".split())
# Of the reports one is http.server's own word: _Handler.
VAGUE_CLASS = re.compile(r"(Manager|Handler|Processor|Helper|Utils?)$|^Base[A-Z]")


def test_names_and_statements_that_are_not_used_here():
    offenders = []
    for path in MODULES:
        found = {path.stem} & VAGUE
        for node in ast.walk(tree(path)):
            found |= imports(node) & UNSAFE
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                found |= {node.func.id} & PROHIBITED_CALLS
            if isinstance(node, ast.ClassDef) and VAGUE_CLASS.search(node.name):
                found |= {node.name} - ({"_Handler"} if path.parent.name == "reports" else set())
        offenders += [(named(path), name) for name in sorted(found)]
    assert offenders == []


def test_public_functions_and_classes_say_what_they_do():
    offenders = []
    for path in MODULES:
        for node in [] if is_private(path) else tree(path).body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_"
            if public and not ast.get_docstring(node):
                offenders.append(f"{named(path)}: {node.name}")
    assert offenders == []


def test_no_machine_is_named():
    offenders = []
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        if re.search(r"/(work|home|root|Users)/", text) or not text.isascii():
            offenders.append(named(path))
    assert offenders == []


def test_the_public_face():
    assert simlift.__all__ == [
        "Clip",
        "ClipSample",
        "Gate",
        "Layer",
        "Look",
        "Photographic",
        "Plugin",
        "Recipe",
        "Run",
        "SimliftError",
        "Variant",
        "Window",
        "lift",
        "lift_clips",
        "open_clip",
    ]
    for name in simlift.__all__:
        assert getattr(simlift, name).__doc__


def test_folders_import_downwards(tmp_path):
    """Run import-linter on the contracts of pyproject.toml."""
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert command, "install the dev group"
    done = subprocess.run(
        [command, "--config", str(ROOT / "pyproject.toml"), "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_every_folder_has_its_place_in_the_contract():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    folders = {p.name for p in SOURCE.iterdir() if (p / "__init__.py").exists()}
    placed = set(re.findall(r"simlift\.(\w+)", text.partition("[[tool.importlinter")[2]))
    assert folders <= placed | {"episodes"}


COMMANDS = """
demo    --out --workers
inspect CLIPS --out --episodes --cameras --robot --camera --fps --fov --near --far --tags --trust
init    FOLDER --force --near --far --camera --fps --fov --tags --trust
record  {tabletop,drive,model,replay} FILE --out --seed --frames --size --model --camera --cameras
        --episode --episodes --assets --twin --look --samples
controls CLIPS --kind --out --size --lossless
        --episodes --cameras --robot --camera --fps --fov --near --far --tags --trust
estimate CLIP --out --depth --segmentation --near --far --fov --device
lift    CLIPS --out --engine --look --looks --variants --seed --environment --backdrop --replace
        --like --prompt --base --adapter --set --device --workers --dry-run
        --attempts
        --episodes --cameras --robot --camera --fps --fov --near --far --tags --trust
pair    CLIPS --out --editor --propagator --twins --caption --caption-url --caption-model
        --caption-key --frames --seed --controls --set --device --dry-run
        --episodes --cameras --robot --camera --fps --fov --near --far --tags --trust
train   PAIRS --base --out --reference --steps --seed --set --device --shard --dry-run
export  SOURCE --format --out --copy --other-cameras --originals --unscored --codec --state
        --task --shard --append
publish ADAPTER --to --public
score   RUN --workers --critic-url --critic-model --critic-key
report  RUN
serve   RUN --host --port
engines NAME
looks   NAME
doctor  --deep
"""


def test_the_command_line_is_frozen():
    """A new verb or flag is a decision: it is written here, in the docs and in the changelog."""
    frozen = {}
    for line in COMMANDS.strip().replace("\n        ", " ").splitlines():
        verb, *words = line.split()
        frozen[verb] = {word for word in words if word.startswith("--")}
    found = {}
    for verb in frozen:
        text = help_text(verb)
        found[verb] = set(
            re.findall(r"^[\u2502|\s]*(?:-\w, )?(--[a-z][a-z-]*)", text, re.MULTILINE)
        )
        found[verb] -= {"--help"}
    assert found == frozen
    assert set(cli.VERBS) == set(frozen)


def help_text(*arguments):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as left:
        tyro.extras.subcommand_cli_from_dict(cli.VERBS, prog="simlift", args=[*arguments, "--help"])
    assert left.value.code == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


def test_wrong_input_ends_with_2_and_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "simlift", "inspect", str(tmp_path / "none.mp4")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_every_score_is_documented():
    from simlift.evaluation.metrics import DEFINITIONS

    text = (ROOT / "docs" / "scores.md").read_text()
    assert [name for name in DEFINITIONS if f"`{name}`" not in text] == []
    titles = [d.title for name, d in DEFINITIONS.items() if f"| `{name}`" in text]
    assert [title for title in titles if f"\n| {title} | " not in text] == []
