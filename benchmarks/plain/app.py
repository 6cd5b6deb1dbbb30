"""The program that people usually write: Flask, Keras in the process, the whole picture at 224x224.

It stands here to be measured beside HematoVision (`make bench-compare`), and for nothing else.
"""

import os
from io import BytesIO

import numpy as np
from flask import Flask, Response, jsonify, request
from keras.models import load_model
from PIL import Image

CLASSES = ("eosinophil", "lymphocyte", "monocyte", "neutrophil")

app = Flask(__name__)
model = load_model(os.environ["PLAIN_MODEL"])


@app.post("/predict")
def predict() -> Response:
    """Name the one cell that a picture is taken to show."""
    picture = Image.open(BytesIO(request.files["image"].read())).convert("RGB").resize((224, 224))
    pixels = np.asarray(picture, np.float32)[None] / 255
    probabilities = model.predict(pixels, verbose=0)[0]
    best = int(probabilities.argmax())
    return jsonify(cell_type=CLASSES[best], confidence=float(probabilities[best]))


if __name__ == "__main__":
    app.run(port=int(os.environ["PLAIN_PORT"]), threaded=True)
