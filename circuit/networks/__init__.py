"""Functions of neural networks, each a few gates.

Reading order: softmax, activations, norms, convolution, attention. The channels of an image, and the features
of anything else, are the last axis everywhere, as in `x @ w`. Weights and biases are the user's:
`layer_norm(x) * p["scale"] + p["bias"]`, `conv2d(x, p["kernel"]) + p["bias"]`.
"""
