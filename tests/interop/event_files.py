"""What TensorBoard's own readers find in a folder of runs: {run: {tag: {plugin, points: [[step, value]]}}} as JSON."""
import json
import sys
import zlib

from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.plugins.graph import keras_util
from tensorboard.util import tensor_util


def pixels(png):
    """Raw rows of a PNG without filters' help: width, height, and the inflated bytes' count."""
    at, data, size = 8, b"", None
    while at < len(png):
        length, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            size = [int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")]
        elif kind == b"IDAT":
            data += body
        at += 12 + length
    return size + [len(zlib.decompress(data))]


def value(plugin, proto):
    array = tensor_util.make_ndarray(proto)
    if plugin == "images":
        return [int(array[0]), int(array[1])] + [pixels(png) for png in array[2:]]
    if plugin == "graph_keras_model":
        graph = keras_util.keras_model_to_graph_def(json.loads(array.item()))
        return {node.name: list(node.input) for node in graph.node}
    if array.dtype == object:
        return [s.decode() for s in array.ravel()]
    return array.tolist()


folder = json.load(sys.stdin)["folder"]
multiplexer = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance={
    "scalars": 0, "histograms": 0, "images": 0, "text": 0})
multiplexer.AddRunsFromDirectory(folder)
multiplexer.Reload()
found = {}
for run, tags in multiplexer.Runs().items():
    found[run] = {}
    for tag in tags["tensors"]:
        if tag == "__run_graph__":
            graph = multiplexer.Graph(run)
            found[run]["graph"] = {node.name: list(node.input) for node in graph.node}
            continue
        plugin = multiplexer.SummaryMetadata(run, tag).plugin_data.plugin_name
        points = [[e.step, value(plugin, e.tensor_proto)] for e in multiplexer.Tensors(run, tag)]
        found[run][tag] = {"plugin": plugin, "points": points}
print(json.dumps(found))
