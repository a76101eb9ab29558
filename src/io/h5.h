/* HDF5 files, written and read as memory images (formats.md 3 to 5).
 *
 * A file is built in memory and goes to the disk through io/file.h in one piece.  A file is read from the disk in one
 * piece; a helper process (reliability.md F5) parses its structure with libhdf5, which a file that is damaged or made
 * to do harm can crash, hang or bloat, and tells what is where (h5_toc.h).  This process judges that by F3 and F4: hard
 * links only, groups and datasets only, plain numbers only, nothing external, virtual or of variable length, and
 * compressed only if asked for; and it takes the elements from the image itself.  Nothing here calls libhdf5 on a
 * file's bytes.
 *
 * A path is absolute or relative to the root: "/layers/dense/vars/0" and "layers/dense/vars/0" are the same; the root
 * is
 * "/". Names in a path are valid UTF-8 of 1 to 1024 bytes, not "." or "..", at most 32 deep; a file has at most 100000
 * groups and datasets.
 *
 * One kl_h5_writer or kl_h5_file belongs to one thread at a time. */
#ifndef KL_IO_H5_H
#define KL_IO_H5_H

#include "io/buffer.h"
#include "tensor/tensor.h"

#ifndef KL_VERSION
#define KL_VERSION "0.1.0"
#endif

#define KL_H5_MAX_DEPTH 32
#define KL_H5_MAX_NAME 1024       /* bytes */
#define KL_H5_MAX_OBJECTS 100000  /* groups and datasets */
#define KL_H5_MAX_ATTRIBUTE 64512 /* bytes: an object header holds no more; Keras splits longer lists */

#define KL_H5_MANIFEST "/kl/manifest"
#define KL_H5_FORMAT "kl-checkpoint"
#define KL_H5_FORMAT_VERSION 1

/* Writing.  The writer only collects: tensors are held, not copied, so the file is the state at the time of the calls.
 * Groups on the way to a path are made; everything is written in the order of the paths, so the order of the calls does
 * not show in the file. */

typedef struct kl_h5_writer kl_h5_writer;

kl_status kl_h5_writer_new(kl_h5_writer **out);
void kl_h5_writer_release(kl_h5_writer *w); /* NULL is allowed */

/* Errors of all that follow: KL_EVALUE for a path that is not allowed, taken, or leads through a dataset; KL_ENOMEM. */

/* A group; it may be there already. */
kl_status kl_h5_writer_group(kl_h5_writer *w, const char *path);

/* A dataset: contiguous, little-endian, C order; bool as uint8 or, with `bools`, as h5py's
 * bool, an enumeration; rank 0 has a scalar dataspace.  `t` must have a value (KL_ESTATE). */
kl_status kl_h5_writer_dataset(kl_h5_writer *w, const char *path, const kl_tensor *t);

/* A dataset of uint8 with one axis. */
kl_status kl_h5_writer_bytes(kl_h5_writer *w, const char *path, const void *data, size_t size);

typedef struct kl_h5_string {
  const char *text;
  size_t size; /* bytes */
} kl_h5_string;

/* Attributes of a group (made if it is not there) or of a dataset; one of the same name is replaced.  Strings have a
 * fixed length and are padded with NUL: they hold no NUL themselves, and must be valid UTF-8.
 * A list longer than KL_H5_MAX_ATTRIBUTE bytes is split into name0, name1, ... as Keras does (formats.md 3.6); one
 * string longer than that makes the file one of HDF5 1.10 (`checksums` below), which has room for it. */
kl_status kl_h5_writer_attribute_string(kl_h5_writer *w, const char *path, const char *name, kl_h5_string value);
kl_status kl_h5_writer_attribute_strings(kl_h5_writer *w, const char *path, const char *name,
                                         const kl_h5_string *values, size_t count);
kl_status kl_h5_writer_attribute_integer(kl_h5_writer *w, const char *path, const char *name, int64_t value);

typedef struct kl_h5_write_options {
  bool checksums;      /* HDF5 1.10's layout with checksummed metadata, instead of the earliest one */
  bool bools;          /* bool as h5py's bool, which reads back as bool; not with a manifest */
  bool manifest;       /* add /kl/manifest and the format attributes of /kl (formats.md 4); implies checksums */
  const char *members; /* more members of the manifest as JSON text, `"epoch":3,"step":7`; NULL: none */
} kl_h5_write_options;

/* The file's bytes in *out (empty before).  The writer can be finished again (with a manifest it keeps the group /kl).
 * The same content gives the same bytes, but for the manifest's `created`, which follows SOURCE_DATE_EPOCH. */
kl_status kl_h5_writer_finish(kl_h5_writer *w, const kl_h5_write_options *options, kl_buffer *out);

/* Reading. */

typedef struct kl_h5_file kl_h5_file;

/* Opens the file whose bytes are in *image; `name` (copied) begins every message.  On success the bytes belong to the
 * file and *image is empty.  With `only`, a path, nothing is looked at but what is on the way there: then no other is
 * found.  Errors: KL_EIO for what is no whole HDF5 file, with HDF5's innermost words, and for a file on which the
 * helper crashed, hung or took too much memory; KL_EVALUE for a path that is not allowed. */
kl_status kl_h5_open(const char *name, kl_buffer *image, const char *only, kl_h5_file **out);
void kl_h5_release(kl_h5_file *f); /* NULL is allowed */

/* Takes datasets that are compressed by deflate, with or without shuffle, too: at most 1000 times the stored bytes. */
void kl_h5_accept_compressed(kl_h5_file *f);

/* Errors of all that follow: KL_EIO for damaged files and for what F3 and F4 refuse, naming file, path, what was
 * expected and what was found; KL_ENOMEM. */

typedef enum kl_h5_kind { KL_H5_NOTHING, KL_H5_GROUP, KL_H5_DATASET } kl_h5_kind;

/* What is at a path. */
kl_status kl_h5_find(kl_h5_file *f, const char *path, kl_h5_kind *out);

/* A dataset as a new tensor: h5py's bool becomes bool, int8 and int16 and uint16 become int32, uint32 and uint64 int64,
 * float16 float32; of more than KL_MAX_NDIM axes it is an error. */
kl_status kl_h5_read(kl_h5_file *f, const char *path, kl_tensor **out);

typedef struct kl_h5_item {
  char *path;     /* from the root; of a group's children: the name alone */
  char *problem;  /* why it cannot be read; NULL: it can */
  kl_dtype dtype; /* what kl_h5_read makes of it */
  kl_shape shape;
} kl_h5_item;

/* Sorted by path, byte by byte: "10" comes before "2". */
typedef struct kl_h5_list {
  kl_h5_item *items;
  size_t count;
  kl_buffer block; /* where the items lie */
} kl_h5_list;

/* Every dataset of the file.  {0} may be released, too. */
kl_status kl_h5_list_datasets(kl_h5_file *f, kl_h5_list *out);

/* The names in a group; dtype, shape and problem are not filled. */
kl_status kl_h5_list_children(kl_h5_file *f, const char *path, kl_h5_list *out);
void kl_h5_list_release(kl_h5_list *list);

/* An attribute: an integer, or strings of fixed length. */
typedef struct kl_h5_attribute {
  bool exists; /* false: the object has none of that name, and nothing else is filled */
  bool is_integer, is_scalar;
  int64_t integer;
  size_t count;   /* of strings */
  size_t width;   /* bytes of each, padded with NUL (or ended by one, or padded with spaces) */
  char padding;   /* '\0' or ' ' */
  kl_buffer text; /* count * width bytes */
} kl_h5_attribute;

/* The attribute `name` of the object at `path`.  Most of HDF5's published defects are met by reading attributes (F2),
 * so they are looked at when the first one is asked for, by a helper of their own. Errors: also for an object that is
 * not there; strings of variable length are refused. */
kl_status kl_h5_read_attribute(kl_h5_file *f, const char *path, const char *name, kl_h5_attribute *out);

/* The i-th string of it, without its padding. */
kl_h5_string kl_h5_attribute_string(const kl_h5_attribute *a, size_t i);

/* The manifest (formats.md 4): JSON {format, format_version, kl, created, datasets: [{path, dtype, shape, crc32c}],
 * the writer's members, manifest_crc32c}.  The last is the CRC of the text before its eight digits, so that the
 * manifest is covered, too. */

kl_status kl_h5_has_manifest(kl_h5_file *f, bool *out);

/* Compares the file with its manifest: no dataset missing, none more, each of the same dtype, shape and CRC.
 * Errors: KL_EIO naming dataset, expected and found; also for a file without a manifest or of a newer format. */
kl_status kl_h5_check_manifest(kl_h5_file *f);

#endif
