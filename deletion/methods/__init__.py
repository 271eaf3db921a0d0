"""One interface for every answer to the same question: base holds it and the simplest methods, gradients
those by a metagradient."""
