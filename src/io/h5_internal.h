/* What the h5_*.c files share: HDF5's start and errors, paths, types, and the writer's and reader's insides. */
#ifndef KL_IO_H5_INTERNAL_H
#define KL_IO_H5_INTERNAL_H

#include <hdf5.h>

#include "io/elements.h"
#include "io/file.h"
#include "io/h5.h"

/* h5_common.c */

/* Before the first HDF5 call of each function of h5.h: starts the library on our terms; HDF5 prints nothing. */
kl_status kl_h5_enter(void);

/* KL_EIO: "<file>: <what>: HDF5: <the innermost words of its error stack>". */
kl_status kl_h5_fail(const char *file, const char *what);

/* A name for a file that is only in memory: unique, because HDF5 takes two images of one name for one file, and below
 * a device, so that no file can have it. */
#define KL_H5_IMAGE_NAME 48
void kl_h5_image_name(char name[KL_H5_IMAGE_NAME]);

/* The path from the root in a block of strlen + 1 bytes, checked.  `what` begins the message (KL_EVALUE). */
kl_status kl_h5_new_path(const char *what, const char *path, char **out);
void kl_h5_free_path(char *path);

/* A copy of `size` bytes as a NUL-terminated block, freed by kl_h5_free_path; NULL after kl_fail(KL_ENOMEM). */
char *kl_h5_new_text(const char *text, size_t size);

/* NULL if a link may have this name, else what is wrong with it. */
const char *kl_h5_name_problem(const char *name, size_t size);

/* The type as HDF5's own: *out is to be closed.  Negative on failure. */
hid_t kl_h5_type_of(kl_element e);

/* The element of a type, if it is exactly one of those that kl reads. */
bool kl_h5_element_of(hid_t type, kl_element *out);

/* h5_read.c */

struct kl_h5_file {
  char name[KL_PATH_TEXT];
  kl_buffer image; /* empty: the file is read where it lies (h5_rows.c) */
  size_t size;     /* bytes of the file */
  bool compressed; /* deflate and shuffle are taken, too */
  hid_t file;
};

/* A dataset that has passed F3 and F4. */
typedef struct kl_h5_dataset {
  hid_t id;
  kl_element element;
  kl_shape shape;
  size_t bytes;    /* as stored */
  bool contiguous; /* the bytes lie together, from `offset` on */
  uint64_t offset;
  const char *bytes_in_image; /* contiguous, and the file is in memory: where they are; NULL otherwise */
} kl_h5_dataset;

/* Whether what the superblock declares is what the file has. */
kl_status kl_h5_check_end(const kl_h5_file *f);

/* Opens the object that the link `name` in `parent` leads to, if F3 allows link and object; `path` is for messages.
 * Without such a link *kind is KL_H5_NOTHING and *id < 0, as on failure. */
kl_status kl_h5_open_link(const kl_h5_file *f, hid_t parent, const char *name, const char *path, hid_t *id,
                          kl_h5_kind *kind);

/* Opens the object at a path (from the root); KL_H5_NOTHING leaves *id < 0. */
kl_status kl_h5_open_path(kl_h5_file *f, const char *path, hid_t *id, kl_h5_kind *kind);

/* Opens and checks a dataset.  d->id is to be closed if it is >= 0, also on failure. */
kl_status kl_h5_open_dataset(kl_h5_file *f, const char *path, kl_h5_dataset *d);

/* Fills the parts of *d beside its id. */
kl_status kl_h5_check_dataset(kl_h5_file *f, const char *path, kl_h5_dataset *d);

/* Reads the stored bytes to `to`. */
kl_status kl_h5_read_raw(kl_h5_file *f, const char *path, const kl_h5_dataset *d, void *to);

/* h5_manifest.c */

/* One line of the manifest that is being written. */
typedef struct kl_h5_entry {
  char *path;
  kl_tensor *tensor; /* NULL: a group */
} kl_h5_entry;

/* The manifest's text for the datasets among `count` entries sorted by path. */
kl_status kl_h5_write_manifest(const kl_h5_entry *entries, size_t count, const char *members, kl_buffer *out);

/* The elements of a tensor in C order: its own bytes, or a copy in *scratch (empty before). */
kl_status kl_h5_tensor_bytes(const kl_tensor *t, kl_buffer *scratch, const void **out);

#endif
