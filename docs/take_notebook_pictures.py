"""Take the pictures of the page of notebooks: run one as it stands and keep a picture that it shows.

python docs/take_notebook_pictures.py first_run 1 docs/images/notebook-first-run.png
"""

import base64
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

name, which, picture = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
notebook = nbformat.read(Path(__file__).parent / "notebooks" / f"{name}.ipynb", 4)
with tempfile.TemporaryDirectory() as folder:
    place = {"metadata": {"path": folder}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=place).execute()
outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
pictures = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
picture.write_bytes(base64.b64decode(pictures[which - 1]))
