"""Make .venv and install the pinned packages: python3 leadcrm/bootstrap.py [test]

Run by the machine's own Python, which may be an old one: this file keeps to what Python 2.7 can parse, so that even
there it ends with one clear line instead of a syntax error.
"""

import hashlib
import os
import subprocess
import sys

OLDEST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")


def main(extras):
    if sys.version_info[:2] < OLDEST:
        found = "%d.%d" % sys.version_info[:2]
        sys.exit("leadcrm needs Python %d.%d or newer, and %s is %s." % (OLDEST + (sys.executable, found)))
    stamp = os.path.join(VENV, "-".join(["installed"] + extras))
    wanted = fingerprint()
    if read(stamp) == wanted and works([PYTHON, "-c", ""]):
        return
    if not works([PYTHON, "-m", "pip", "--version"]):
        make_venv()
    print("Installing the pinned packages into .venv ...")
    sys.stdout.flush()
    command = [PYTHON, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-c", "constraints.txt"]
    if subprocess.call(command + requirements(extras), cwd=ROOT) != 0:
        sys.exit("leadcrm cannot install its packages: see what pip says above.")
    with open(stamp, "w") as file:
        file.write(wanted)


def fingerprint():
    """Changes with the Python that runs this and with the packages asked for."""
    digest = hashlib.sha256(sys.version.encode())
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def requirements(extras):
    import tomllib

    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        project = tomllib.load(file)["project"]
    return project["dependencies"] + [one for extra in extras for one in project["optional-dependencies"][extra]]


def make_venv():
    if not works([sys.executable, "-c", "import ensurepip, venv"]):
        if os.geteuid() != 0 or not works(["apt-get", "--version"]):
            sys.exit("leadcrm needs Python's venv and pip: apt-get install python3-venv, then try again.")
        print("Installing python3-venv ...")
        sys.stdout.flush()
        quietly(["apt-get", "update"])
        said = quietly(["apt-get", "install", "-y", "--no-install-recommends", "python3-venv"])
        if not works([sys.executable, "-c", "import ensurepip, venv"]):
            sys.exit("%s\n%s has no venv and pip, and apt-get could not add them: see above." % (said, sys.executable))
    if subprocess.call([sys.executable, "-m", "venv", "--clear", VENV]) != 0:
        sys.exit("leadcrm could not make %s: see above." % VENV)


def quietly(command):
    """Run apt-get and return what it said: hundreds of lines that matter only when it fails."""
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return process.communicate()[0].decode("utf-8", "replace").strip()


def works(command):
    try:
        with open(os.devnull, "w") as nowhere:
            return subprocess.call(command, stdout=nowhere, stderr=nowhere) == 0
    except OSError:
        return False


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except (IOError, OSError):
        return None


if __name__ == "__main__":
    main(sys.argv[1:])
