# Sourced by the other scripts: finds a Python and makes virtual environments.

# Print the name of a Python that is new enough.
find_python() {
    for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    echo "error: no Python 3.11 or newer found; install one, or set PYTHON to its path" >&2
    return 1
}

# Make the virtual environment $1 unless it is already there and works.
make_environment() {
    if "$1/bin/python" -c 'import pip' 2>/dev/null; then
        return 0
    fi
    python=$(find_python)
    if ! "$python" -m venv --clear "$1"; then
        echo "error: $python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2
        return 1
    fi
}
