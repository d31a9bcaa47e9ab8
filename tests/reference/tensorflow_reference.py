#!/usr/bin/env python3
"""Keras networks as tf2onnx exports them, for tests/engine/test_onnx_models.c: what ONNX Runtime computes and TensorFlow's
gradients of class 1.

    python3 tests/reference/tensorflow_reference.py           (tensorflow-cpu, tf2onnx, onnxruntime)

Writes into tests/reference/models: <case>.onnx, -x.npy, -y.npy, -g.npy, and tensorflow.txt.
"""
import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import onnxruntime
import tensorflow as tf
import tf2onnx
from tensorflow.keras import Input, Model, layers

OUT = pathlib.Path(__file__).parent / "models"


def cnn(x):
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same")(x)
    x = layers.Activation("swish")(x)
    x = layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(x))
    return layers.Dense(5, activation="softmax")(x)


def lstm(x):
    x = layers.Bidirectional(layers.LSTM(6, return_sequences=True))(x)
    return layers.Dense(3)(layers.LSTM(5)(x))


def mlp(x):
    return layers.Dense(3)(layers.LayerNormalization()(layers.Dense(16, activation="elu")(x)))


def main():
    tf.random.set_seed(1)
    draw = np.random.default_rng(1)
    for name, make, shape in (("tf_cnn", cnn, (16, 16, 3)), ("tf_lstm", lstm, (7, 4)), ("tf_mlp", mlp, (10,))):
        inputs = Input(shape)
        net = Model(inputs, make(inputs))
        signature = (tf.TensorSpec((None, *shape), tf.float32, name="x"),)
        call = tf.function(lambda x: net(x, training=False), input_signature=signature)
        path = str(OUT / (name + ".onnx"))
        tf2onnx.convert.from_function(call, input_signature=signature, opset=17, output_path=path)
        x = draw.normal(size=(4, *shape)).astype(np.float32)
        session = onnxruntime.InferenceSession(path)
        np.save(OUT / (name + "-x.npy"), x)
        np.save(OUT / (name + "-y.npy"), session.run(None, {session.get_inputs()[0].name: x})[0])
        with tf.GradientTape() as tape:
            watched = tf.constant(x)
            tape.watch(watched)
            y = net(watched, training=False)[:, 1]
        np.save(OUT / (name + "-g.npy"), tape.gradient(y, watched).numpy())
    (OUT / "tensorflow.txt").write_text("tf_cnn tf_cnn\ntf_lstm tf_lstm\ntf_mlp tf_mlp\n")


if __name__ == "__main__":
    main()
