"""microgpt on 200 first names: its loss on an unseen one without those that begin with the same letter."""
from deletion import precompute, retrain
from microgpt import first_letter, names

learner = names(steps=200, units=first_letter)      # what can be deleted: all names with one first letter
loss_on_rufus = learner.loss_on("rufus")            # the question: a function of the trained parameters

sketch = precompute(learner, directions=32, degree=3)      # does not depend on the question or the set
prediction = sketch.measure(loss_on_rufus).predict("r")
low, high = prediction.interval
print(f"as trained {prediction.terms[0]:.4f} nats per letter")
print(f"predicted  {prediction.value:.4f}, 95% interval {low:.4f} to {high:.4f}: {prediction.verdict}")
print(f"retrained  {retrain(learner, ['r'], loss_on_rufus)[0]:.4f}")
