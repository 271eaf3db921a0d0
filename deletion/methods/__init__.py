"""One interface for every answer to the same question: base holds the interface, reference the simplest
methods and the sketch, gradients those by a metagradient."""
