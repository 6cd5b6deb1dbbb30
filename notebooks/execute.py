"""Run `model.ipynb` from its first cell to its last: `python notebooks/execute.py [OUTPUT]`.

Without OUTPUT it is replaced, and only if every cell ran. What would differ at every run, such as
the time and the version of Python, is not kept.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("model.ipynb")


def execute(output: Path) -> None:
    """Run the notebook and write it with what its cells gave."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(NOTEBOOK.parent)}}
    client = NotebookClient(
        notebook, resources=where, timeout=None, record_timing=False, coalesce_streams=True
    )
    client.execute()
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, output)


if __name__ == "__main__":
    execute(Path(sys.argv[1]) if sys.argv[1:] else NOTEBOOK)
