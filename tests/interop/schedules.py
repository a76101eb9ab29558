"""Learning rates by real Keras: {object, steps} in, the rates out."""
import json
import sys

import keras

answers = []
for case in json.load(sys.stdin):
    schedule = getattr(keras.optimizers.schedules, case["object"]["class_name"]).from_config(case["object"]["config"])
    answers.append([float("%.8g" % float(schedule(step))) for step in case["steps"]])
json.dump(answers, sys.stdout)
