/* Events as bytes: the messages of tfevents.proto, filled on the stack and packed by protobuf-c.
 *
 * Packing allocates nothing, so all memory is the caller's buffer.  protobuf-c's structures have no const; nothing is
 * written through the pointers that lose theirs here. */
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "io/crc32c.h"
#include "io/tfevents.h"
#include "io/tfevents.pb-c.h"

#define VERSION "brain.Event:2"
#define PRODUCER 987        /* a version of TensorFlow's graphs (2.8): any from this century draws */
#define HEADER (8 + 4)      /* bytes before the message: its length and that number's CRC */
#define MOST (INT_MAX - 64) /* bytes of a message: protobuf's own limit */

static char *text(const char *s) { return (char *)(size_t)s; }

static ProtobufCBinaryData bytes(const void *data, size_t size) {
  return (ProtobufCBinaryData){.len = size, .data = (uint8_t *)(size_t)data};
}

/* Makes room for `size` more bytes behind the buffer's. */
static kl_status make_room(kl_buffer *b, size_t size, char **out) {
  size_t total;
  if (!kl_add_size(b->size, size, &total)) {
    return kl_fail(KL_ENOMEM, "out of memory: %zu and %zu bytes do not fit in one block", b->size, size);
  }
  KL_TRY(kl_buffer_reserve(b, total));
  *out = b->data + b->size;
  return KL_OK;
}

/* Appends a packed message, framed if `is_record`. */
static kl_status append(kl_buffer *out, const ProtobufCMessage *message, bool is_record) {
  size_t size = protobuf_c_message_get_packed_size(message);
  if (size > MOST) {
    return kl_fail(KL_EVALUE, "kl.summary: at most %d bytes in one event, got %zu", MOST, size);
  }
  char *at = NULL;
  KL_TRY(make_room(out, is_record ? HEADER + size + 4 : size, &at));
  if (!is_record) {
    out->size += protobuf_c_message_pack(message, (uint8_t *)at);
    return KL_OK;
  }
  uint64_t length = size;
  memcpy(at, &length, 8);
  uint32_t crc = kl_crc32c_mask(kl_crc32c(0, at, 8));
  memcpy(at + 8, &crc, 4);
  protobuf_c_message_pack(message, (uint8_t *)at + HEADER);
  crc = kl_crc32c_mask(kl_crc32c(0, at + HEADER, size));
  memcpy(at + HEADER + size, &crc, 4);
  out->size += HEADER + size + 4;
  return KL_OK;
}

/* A shape as a message; `dims` and `pointers` have room for KL_MAX_NDIM. */
static void fill_shape(Tf__TensorShapeProto *m, int ndim, const int64_t *dim, Tf__TensorShapeProto__Dim *dims,
                       Tf__TensorShapeProto__Dim **pointers) {
  tf__tensor_shape_proto__init(m);
  for (int i = 0; i < ndim; i++) {
    tf__tensor_shape_proto__dim__init(&dims[i]);
    dims[i].size = dim[i] == KL_UNKNOWN ? -1 : dim[i];
    pointers[i] = &dims[i];
  }
  m->n_dim = (size_t)ndim;
  m->dim = pointers;
}

static kl_status append_summary(kl_buffer *out, const kl_event *e, Tf__Event event) {
  Tf__SummaryMetadata__PluginData plugin = TF__SUMMARY_METADATA__PLUGIN_DATA__INIT;
  plugin.plugin_name = text(e->plugin);
  plugin.content = bytes(e->content.data, e->content.size);
  Tf__SummaryMetadata metadata = TF__SUMMARY_METADATA__INIT;
  metadata.plugin_data = &plugin;
  if (e->description != NULL) {
    metadata.summary_description = text(e->description);
  }
  Tf__TensorShapeProto shape;
  Tf__TensorShapeProto__Dim dims[KL_MAX_NDIM], *dim_pointers[KL_MAX_NDIM];
  Tf__TensorProto tensor = TF__TENSOR_PROTO__INIT;
  tensor.tensor_shape = &shape;
  float number = (float)e->number;
  ProtobufCBinaryData *strings = NULL;
  size_t count = 0;
  fill_shape(&shape, 0, NULL, dims, dim_pointers);
  if (e->kind == KL_EVENT_SCALAR) {
    tensor.dtype = TF__DATA_TYPE__DT_FLOAT;
    tensor.n_float_val = 1;
    tensor.float_val = &number;
  } else if (e->kind == KL_EVENT_TENSOR) {
    tensor.dtype = TF__DATA_TYPE__DT_DOUBLE;
    fill_shape(&shape, e->tensor->shape.ndim, e->tensor->shape.dim, dims, dim_pointers);
    tensor.tensor_content = bytes(kl_tensor_data(e->tensor), (size_t)kl_tensor_numel(e->tensor) * sizeof(double));
  } else {
    tensor.dtype = TF__DATA_TYPE__DT_STRING;
    fill_shape(&shape, e->ndim, e->dim, dims, dim_pointers);
    count = 1;
    for (int i = 0; i < e->ndim; i++) {
      count *= (size_t)e->dim[i];
    }
    strings = kl_alloc(count * sizeof *strings);
    if (strings == NULL) {
      return KL_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
      strings[i] = bytes(e->strings[i].data, e->strings[i].size);
    }
    tensor.n_string_val = count;
    tensor.string_val = strings;
  }
  Tf__SummaryValue value = TF__SUMMARY_VALUE__INIT, *value_pointer = &value;
  value.tag = text(e->tag);
  value.tensor = &tensor;
  value.metadata = &metadata;
  Tf__Summary summary = TF__SUMMARY__INIT;
  summary.n_value = 1;
  summary.value = &value_pointer;
  event.what_case = TF__EVENT__WHAT_SUMMARY;
  event.summary = &summary;
  kl_status status = append(out, &event.base, true);
  kl_free(strings, count * sizeof *strings);
  return status;
}

kl_status kl_event_append(kl_buffer *out, const kl_event *e) {
  Tf__Event event = TF__EVENT__INIT;
  Tf__SessionLog log = TF__SESSION_LOG__INIT;
  event.wall_time = e->wall_time;
  event.step = e->step;
  switch (e->kind) {
    case KL_EVENT_VERSION:
      event.what_case = TF__EVENT__WHAT_FILE_VERSION;
      event.file_version = text(VERSION);
      break;
    case KL_EVENT_START:
      log.status = TF__SESSION_LOG__STATUS__START;
      event.what_case = TF__EVENT__WHAT_SESSION_LOG;
      event.session_log = &log;
      break;
    case KL_EVENT_GRAPH:
      event.what_case = TF__EVENT__WHAT_GRAPH_DEF;
      event.graph_def = bytes(e->graph->data, e->graph->size);
      break;
    default:
      return append_summary(out, e, event);
  }
  return append(out, &event.base, true);
}

static Tf__DataType data_type(const char *dtype) {
  static const struct {
    const char *name;
    Tf__DataType type;
  } types[] = {
      {"bool", TF__DATA_TYPE__DT_BOOL},     {"uint8", TF__DATA_TYPE__DT_UINT8},   {"int32", TF__DATA_TYPE__DT_INT32},
      {"int64", TF__DATA_TYPE__DT_INT64},   {"float32", TF__DATA_TYPE__DT_FLOAT}, {"float64", TF__DATA_TYPE__DT_DOUBLE},
      {"string", TF__DATA_TYPE__DT_STRING},
  };
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (strcmp(types[i].name, dtype) == 0) {
      return types[i].type;
    }
  }
  return TF__DATA_TYPE__DT_INVALID;
}

/* The output shapes as the attribute that TensorBoard shows at edges. */
typedef struct shape_list {
  Tf__TensorShapeProto shape;
  Tf__TensorShapeProto__Dim dims[KL_MAX_NDIM], *dim_pointers[KL_MAX_NDIM];
} shape_list;

/* What the attributes of one node are made of. */
typedef struct attribute {
  Tf__NodeDef__AttrEntry entry;
  Tf__AttrValue value;
} attribute;

static Tf__AttrValue *fill_attribute(attribute *a, const char *key, Tf__AttrValue__ValueCase which) {
  tf__node_def__attr_entry__init(&a->entry);
  tf__attr_value__init(&a->value);
  a->entry.key = text(key);
  a->entry.value = &a->value;
  a->value.value_case = which;
  return &a->value;
}

/* The message of a node whose memory is there. */
static kl_status pack_node(kl_buffer *graph, const kl_event_node *n, shape_list *shapes, Tf__TensorShapeProto **list,
                           attribute *attributes, Tf__NodeDef__AttrEntry **entries) {
  size_t count = 0;
  Tf__AttrValue__ListValue output_shapes = TF__ATTR_VALUE__LIST_VALUE__INIT;
  if (n->shape_count > 0) {
    for (size_t i = 0; i < n->shape_count; i++) {
      shape_list *s = &shapes[i];
      fill_shape(&s->shape, n->shapes[i].ndim, n->shapes[i].dim, s->dims, s->dim_pointers);
      list[i] = &s->shape;
    }
    output_shapes.n_shape = n->shape_count;
    output_shapes.shape = list;
    fill_attribute(&attributes[count++], "_output_shapes", TF__ATTR_VALUE__VALUE_LIST)->list = &output_shapes;
  }
  if (n->dtype != NULL && data_type(n->dtype) != TF__DATA_TYPE__DT_INVALID) {
    fill_attribute(&attributes[count++], "dtype", TF__ATTR_VALUE__VALUE_TYPE)->type = data_type(n->dtype);
  }
  for (size_t i = 0; i < n->attribute_count; i++) {
    fill_attribute(&attributes[count++], n->key[i], TF__ATTR_VALUE__VALUE_S)->s =
        bytes(n->value[i].data, n->value[i].size);
  }
  for (size_t i = 0; i < count; i++) {
    entries[i] = &attributes[i].entry;
  }
  Tf__NodeDef node = TF__NODE_DEF__INIT, *pointer = &node;
  node.name = text(n->name);
  node.op = text(n->op);
  node.n_input = n->input_count;
  node.input = (char **)(size_t)n->inputs;
  node.n_attr = count;
  node.attr = entries;
  Tf__GraphDef message = TF__GRAPH_DEF__INIT; /* messages one behind the other are one message with all their nodes */
  message.n_node = 1;
  message.node = &pointer;
  return append(graph, &message.base, false);
}

kl_status kl_event_append_node(kl_buffer *graph, const kl_event_node *n) {
  size_t most = n->attribute_count + 2;
  size_t attribute_bytes = most * sizeof(attribute), entry_bytes = most * sizeof(void *);
  size_t shape_bytes = n->shape_count * sizeof(shape_list), list_bytes = n->shape_count * sizeof(void *);
  attribute *attributes = kl_alloc(attribute_bytes);
  Tf__NodeDef__AttrEntry **entries = kl_alloc(entry_bytes);
  shape_list *shapes = kl_alloc(shape_bytes);
  Tf__TensorShapeProto **list = kl_alloc(list_bytes);
  kl_status status = KL_ENOMEM;
  if (attributes != NULL && entries != NULL && shapes != NULL && list != NULL) {
    status = pack_node(graph, n, shapes, list, attributes, entries);
  }
  kl_free(attributes, attribute_bytes);
  kl_free(entries, entry_bytes);
  kl_free(shapes, shape_bytes);
  kl_free(list, list_bytes);
  return status;
}

kl_status kl_event_end_graph(kl_buffer *graph) {
  Tf__VersionDef version = TF__VERSION_DEF__INIT;
  version.producer = PRODUCER;
  Tf__GraphDef message = TF__GRAPH_DEF__INIT;
  message.versions = &version;
  return append(graph, &message.base, false);
}
