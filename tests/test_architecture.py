"""The house keeps its rules: imports, names, sizes, docstrings, the public face, the verbs."""

import ast
import contextlib
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import builders
import pytest
import tyro

import simlift
from simlift import cli
from simlift.core.layers import Layer

ROOT = Path(simlift.__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "simlift"
MODULES = sorted(SOURCE.rglob("*.py"))

# Libraries that cost a second, a gigabyte or a driver to import.
HEAVY = frozenset(
    "torch diffusers transformers mujoco gymnasium_robotics scipy numba ray pyarrow OpenEXR "
    "mitsuba matplotlib lerobot h5py peft accelerate tensorboardX safetensors ftfy".split()
)


def named(path):
    return str(path.relative_to(SOURCE))


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


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


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_heavy_libraries_are_imported_where_they_are_used(path):
    if path.name.startswith("_") and path.name != "__init__.py":
        return  # loaded inside functions: see the next test
    found = set().union(*(imports(node) for node in outside_functions(tree(path).body)), set())
    assert not found & HEAVY


def heavy_modules():
    out = set()
    for path in MODULES:
        found = set().union(*(imports(n) for n in outside_functions(tree(path).body)), set())
        if found & HEAVY:
            out.add(path.stem)
    return out


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_modules_with_heavy_libraries_are_imported_inside_functions(path):
    private = heavy_modules()
    assert all(name.startswith("_") for name in private)
    if path.name.startswith("_") and path.name != "__init__.py":
        return
    for node in outside_functions(tree(path).body):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("simlift"):
            last = node.module.rpartition(".")[2]
            assert not ({last} | {alias.name for alias in node.names}) & private


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_every_module_opens_with_a_sentence(path):
    text = ast.get_docstring(tree(path))
    assert text
    assert re.search(r"[.:?!]", text.partition("\n\n")[0])


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_file_is_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_names_and_statements_that_are_not_used_here(path):
    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "misc", "base"}
    nodes = list(ast.read_windows(tree(path)))
    calls = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not calls & {"print", "eval", "exec", "breakpoint"}
    assert not set().union(*(imports(n) for n in nodes), set()) & {"pickle", "dill", "joblib"}
    for name in [n.name for n in nodes if isinstance(n, ast.ClassDef)]:
        assert not re.search(r"(Manager|Handler|Processor|Helper|Utils?)$|^Base[A-Z]", name) or (
            name.endswith("Handler") and path.parent.name == "reports"  # http.server's own word
        )


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_public_functions_and_classes_say_what_they_do(path):
    if path.name.startswith("_") and path.name != "__init__.py":
        return
    for node in tree(path).body:
        public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        if public:
            assert ast.get_docstring(node), f"{named(path)}: {node.name}"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_machine_is_named(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(work|home|root|Users)/", text)
    assert text.isascii()


def test_the_public_face():
    assert simlift.__all__ == [
        "Clip",
        "Gate",
        "Layer",
        "Look",
        "Photographic",
        "Plugin",
        "Recipe",
        "Run",
        "SimliftError",
        "ClipSample",
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
look    CLIPS --out
record  {tabletop,drive,model} --out --seed --frames --size --model --camera --twin --look --samples
estimate CLIP --out --depth --segmentation --near --far --fov --device
lift    CLIPS --out --engine --look --variants --seed --environment --backdrop --replace --like
        --prompt --samples --base --adapter --set --device --workers
plan    CLIPS --engine --look --variants --seed --prompt --samples --base --adapter --set --device
pair    CLIPS --out --editor --propagator --twins --caption --caption-url --caption-model
        --caption-key --frames --seed --set --device
train   PAIRS --base --out --steps --seed --set --device --shard --plan
export  SOURCE --format --out --copy
publish ADAPTER --to --public
score   RUN --workers
report  RUN
serve   RUN --host --port
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
        [sys.executable, "-m", "simlift", "look", str(tmp_path / "none.mp4")],
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
