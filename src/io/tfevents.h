/* TensorBoard's event files: scalars, histograms, images, texts and graphs over steps (formats.md 2).
 *
 * A file is a row of records, each an Event message with its length and two CRCs around it; the first names the
 * version. Records are only ever appended, and only whole ones: they wait in a queue and go out in one write, so a
 * process that is killed leaves whole records and at most one cut one behind them (the system stops a write between
 * pages), which readers take as the end.  Every writer makes a file of its own, never writing into an older one, so
 * nothing comes behind a cut record.  The messages are those of tfevents.proto; how they are filled is in tf_event.c.
 */
#ifndef KL_IO_TFEVENTS_H
#define KL_IO_TFEVENTS_H

#include "io/buffer.h"
#include "tensor/tensor.h"

typedef struct kl_tfevents kl_tfevents;

typedef struct kl_bytes {
  const char *data;
  size_t size;
} kl_bytes;

typedef enum kl_event_kind {
  KL_EVENT_VERSION, /* the first record of a file */
  KL_EVENT_START,   /* a run (re)starts at `step`: readers drop what an earlier file of the folder has from there on */
  KL_EVENT_SCALAR,  /* `number` */
  KL_EVENT_TENSOR,  /* `tensor`, float64 and contiguous */
  KL_EVENT_STRINGS, /* `strings`, in the shape `dim` */
  KL_EVENT_GRAPH,   /* `graph`: what kl_event_append_node and kl_event_end_graph made */
} kl_event_kind;

/* One event.  Everything is borrowed. */
typedef struct kl_event {
  kl_event_kind kind;
  double wall_time; /* seconds since 1970 */
  int64_t step;
  const char *tag;         /* of a summary: scalar, tensor or strings; valid UTF-8 */
  const char *plugin;      /* the dashboard that shows it: "scalars", "histograms", ... */
  kl_bytes content;        /* what the plugin wants to know besides */
  const char *description; /* Markdown, or NULL */
  double number;           /* written as float32 */
  const kl_tensor *tensor;
  const kl_bytes *strings;
  const int64_t *dim; /* their shape: ndim axes, 0 to 2 */
  int ndim;
  const kl_buffer *graph;
} kl_event;

/* A node of a graph.  Everything is borrowed; strings are valid UTF-8. */
typedef struct kl_event_node {
  const char *name; /* "/" makes scopes */
  const char *op;
  const char *const *inputs; /* names of nodes, ":1" behind for a second output */
  size_t input_count;
  const kl_shape *shapes; /* of the outputs; unknown axes allowed */
  size_t shape_count;
  const char *dtype;      /* of the outputs, or NULL */
  const char *const *key; /* further attributes: texts by name */
  const kl_bytes *value;
  size_t attribute_count;
} kl_event_node;

/* Appends a node to a graph, and what ends one. */
kl_status kl_event_append_node(kl_buffer *graph, const kl_event_node *node);
kl_status kl_event_end_graph(kl_buffer *graph);

/* Appends the whole record of an event: length, CRC, message, CRC. */
kl_status kl_event_append(kl_buffer *out, const kl_event *event);

typedef struct kl_tfevents_options {
  const char *suffix;   /* behind the file's name, "" for none */
  int64_t max_queue;    /* records that may wait, >= 1 */
  double flush_seconds; /* how long they may */
  double wall_time;     /* of the version record */
} kl_tfevents_options;

/* Makes the folder (and those above it) if need be, and in it the file
 * events.out.tfevents.<seconds>.<host>.<pid>.<n><suffix> with its first record.
 * Errors: KL_EIO naming the folder and the system's words; KL_ENOMEM. */
kl_status kl_tfevents_open(const char *folder, const kl_tfevents_options *options, kl_tfevents **out);

const char *kl_tfevents_path(const kl_tfevents *w);

/* Queues the event, and writes the queue if it is full or old.
 * Errors: KL_EIO if that fails; the records stay in the queue, and what a failed write left in the file is taken back.
 */
kl_status kl_tfevents_append(kl_tfevents *w, const kl_event *event);

/* Writes what waits. */
kl_status kl_tfevents_flush(kl_tfevents *w);

/* Writes what waits and lets go of everything, also on an error, which tells what is lost.  NULL is allowed. */
kl_status kl_tfevents_close(kl_tfevents *w);

/* Seconds since 1970, now. */
double kl_tfevents_now(void);

/* The histogram that TensorBoard draws: `rows` (a new float64 tensor) of shape (buckets, 3), rows (left, right, count)
 * of equally wide buckets between the least and the largest element; edge i is least + i * width, the last one exactly
 * the largest.  All elements equal: all edges are that value and the last row counts them.  No elements: zeros.  NaN
 * and infinities are left out and counted in *nonfinite. t: any dtype and shape, with a value; buckets >= 0.  Errors:
 * KL_ESHAPE, KL_ENOMEM.  Source: formats.md 2.3. */
kl_status kl_tfevents_histogram(const kl_tensor *t, int64_t buckets, kl_tensor **rows, int64_t *nonfinite);

#endif
