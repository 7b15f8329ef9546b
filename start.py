"""Set the course up and start it. Needs nothing but Python 3.11 to 3.13.

    python3 start.py lab            make .venv if needed, install, open JupyterLab at notebook 00
    python3 start.py test           make .venv if needed, install, run the fast tests
    python3 start.py colab          inside Colab: install the course beside what is there
    python3 start.py address URL    write the repository's address into pyproject.toml and every notebook

After the first time it works without network. On Windows: py start.py lab
"""

import hashlib
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PLACEHOLDER = "https://github.com/OWNER/fine-tuning-at-work"
# PyTorch's own index has a build without graphics-card libraries (hundreds of MB instead of gigabytes on Linux).
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def fail(*lines: str) -> None:
    """Say what is wrong and what to do, and stop with exit code 2."""
    print("\n".join(lines), file=sys.stderr)
    raise SystemExit(2)


def venv_python() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def stamp() -> str:
    """A mark over everything that decides what is installed."""
    parts = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"".join(parts) + sys.version.encode()).hexdigest()


def make_venv() -> None:
    if venv_python().exists():
        return
    print("making .venv ...", flush=True)
    done = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
    if done.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        if "ensurepip" in done.stdout + done.stderr:
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            fail(
                "Python's venv module is incomplete here.",
                f"On Debian or Ubuntu: sudo apt install python{version}-venv, then try again.",
            )
        fail("The environment .venv could not be made:", (done.stderr or done.stdout).strip().splitlines()[-1])


def cpu_index_answers() -> bool:
    """Whether PyTorch's CPU index answers within three seconds; asked only on Linux without an NVIDIA card."""
    if platform.system() != "Linux" or Path("/proc/driver/nvidia").exists():
        return False
    try:
        socket.create_connection((TORCH_CPU_INDEX.split("/")[2], 443), timeout=3).close()
    except OSError:
        return False
    return True


def install() -> None:
    """Install once, for both commands; later calls return at once, also without network."""
    mark = VENV / "installed.txt"
    if mark.exists() and mark.read_text() == stamp():
        return
    print("installing (some minutes the first time, about 2 GB) ...", flush=True)
    command = [
        str(venv_python()),
        "-m",
        "pip",
        "install",
        "--quiet",
        "-c",
        str(ROOT / "constraints.txt"),
        "-e",
        f"{ROOT}[lab,test]",
    ]
    if cpu_index_answers():
        command += ["--extra-index-url", TORCH_CPU_INDEX]
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        fail(
            "The installation stopped; the lines above say why.",
            "It needs the internet once. Run the same command again to go on.",
        )
    config = VENV / "etc" / "ipython" / "ipython_config.py"  # a cell run too early gets one plain line, not a traceback
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text('c = get_config()\nc.InteractiveShellApp.extensions = ["course_utils.settings"]\n')
    mark.write_text(stamp())


def environment() -> dict[str, str]:
    """Settings for child processes: nothing phones home, no tokenizer warnings."""
    quiet = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONUTF8": "1"}
    return {**os.environ, **quiet}


def lab(arguments: list[str]) -> int:
    """Open JupyterLab at notebook 00, on this machine only, with a token; news and update checks off."""
    settings = VENV / "share" / "jupyter" / "lab" / "settings"
    settings.mkdir(parents=True, exist_ok=True)
    overrides = {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
        "@jupyterlab/apputils-extension:sanitizer": {"allowCommandLinker": False},
    }
    (settings / "overrides.json").write_text(json.dumps(overrides))
    command = [str(venv_python()), "-m", "jupyterlab", "--ip=127.0.0.1", f"--ServerApp.root_dir={ROOT}"]
    command += ["--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return subprocess.run([*command, *arguments], env=environment(), cwd=ROOT).returncode


def test(arguments: list[str]) -> int:
    """Run the linters and the fast tests, on two cores."""
    python = str(venv_python())
    for check in (["check"], ["format", "--check"]):
        if subprocess.run([python, "-m", "ruff", *check, "--quiet", "."], cwd=ROOT).returncode != 0:
            fail(f"ruff {' '.join(check)} found something; the lines above say where.")
    chosen = arguments or ["-m", "not full", "-n", "2"]
    return subprocess.run([python, "-m", "pytest", *chosen], env={**environment(), "OMP_NUM_THREADS": "1"}, cwd=ROOT).returncode


def colab() -> None:
    """Install the course into the running Colab without touching what Colab brings along."""
    small = ["markdown-it-py"]  # what Colab may lack; nothing that it has is upgraded
    base = [sys.executable, "-m", "pip", "install", "-q"]
    if subprocess.run([*base, "--no-deps", "-e", str(ROOT)]).returncode or subprocess.run([*base, *small]).returncode:
        fail(
            "The course could not be installed here.",
            "Run the cell again; if it fails again, choose Runtime > Disconnect and delete runtime.",
        )


def address(url: str) -> None:
    """Write the repository's address everywhere."""
    if not re.fullmatch(r"https://[\w.-]+/[\w.-]+/[\w.-]+", url):
        fail(f"{url!r} is no repository address.", "It looks like https://github.com/owner/name")
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    old = re.search(r'^Repository = "(.+)"$', text, re.M)[1]
    files = [ROOT / "pyproject.toml", ROOT / "README.md", *sorted((ROOT / "notebooks").glob("*.ipynb"))]
    for file in files:
        content = file.read_text(encoding="utf-8")
        short_old, short_new = old.removeprefix("https://github.com/"), url.removeprefix("https://github.com/")
        file.write_text(
            content.replace(old, url).replace(f"/github/{short_old}/", f"/github/{short_new}/"), encoding="utf-8", newline="\n"
        )
    print(f"the address is now {url} in {len(files)} files")


def main() -> int:
    if sys.version_info < (3, 11):
        fail(f"Python {platform.python_version()} is too old.", "The course needs Python 3.11, 3.12 or 3.13.")
    verb, *arguments = sys.argv[1:] or ["help"]
    if verb == "colab":
        colab()
    elif verb == "address" and arguments:
        address(arguments[0])
    elif verb in ("lab", "test"):
        make_venv()
        install()
        return lab(arguments) if verb == "lab" else test(arguments)
    else:
        print(__doc__.strip())
        return 0 if verb == "help" else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
