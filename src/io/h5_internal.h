/* What the h5_*.c files of this process share: paths, open files, datasets. */
#ifndef KL_IO_H5_INTERNAL_H
#define KL_IO_H5_INTERNAL_H

#include "io/elements.h"
#include "io/file.h"
#include "io/h5.h"
#include "io/h5_toc.h"

/* h5_path.c */

/* The path from the root in a block of strlen + 1 bytes, checked.  `what` begins the message (KL_EVALUE). */
kl_status kl_h5_new_path(const char *what, const char *path, char **out);
void kl_h5_free_path(char *path);

/* A copy of `size` bytes as a NUL-terminated block, freed by kl_h5_free_path; NULL after kl_fail(KL_ENOMEM). */
char *kl_h5_new_text(const char *text, size_t size);

/* Puts '?' in place of every byte that is not a printable one of ASCII. */
void kl_h5_make_printable(char *text, size_t size);

/* NULL if a link may have this name, else what is wrong with it. */
const char *kl_h5_name_problem(const char *name, size_t size);

/* h5_check.c */

/* A dataset that has passed F3 and F4. */
typedef struct kl_h5_dataset {
  kl_element element;
  kl_shape shape;
  size_t bytes; /* of its elements */
  kl_h5_layout layout;
  uint64_t offset;             /* contiguous: where they begin; they lie in the file whole */
  const char *bytes_in_header; /* compact: they */
  /* chunked: */
  int64_t chunk_dim[KL_MAX_NDIM], grid[KL_MAX_NDIM]; /* elements of a chunk, chunks, along each axis */
  size_t chunk_bytes, chunks;                        /* of a chunk without filters; how many */
  const char *chunk;                                 /* its kl_h5_chunks, not aligned */
  const kl_h5_facts *facts;
} kl_h5_dataset;

/* Judges what is said about a dataset and fills *d, but for bytes_in_header and chunk.  A file in `s` that is
 * compressed is taken only with `compressed`.  Allocates nothing: the helper calls it, too. */
kl_status kl_h5_check_facts(const kl_h5_source *s, bool compressed, const char *path, const kl_h5_facts *facts,
                            kl_h5_dataset *d);

/* h5_read.c */

struct kl_h5_file {
  char name[KL_PATH_TEXT];
  kl_buffer image; /* empty: the file is read where it lies (h5_rows.c) */
  int file;        /* then, its descriptor; not ours to close */
  size_t size;     /* bytes of the file */
  char *only;      /* what of it was looked at (kl_h5_source) */
  bool compressed; /* deflate and shuffle are taken, too */
  kl_h5_toc toc;
};

/* Where its bytes are. */
kl_h5_source kl_h5_source_of(const kl_h5_file *f);

/* Makes the table of contents of a file whose bytes are known. */
kl_status kl_h5_look(kl_h5_file *f);

/* The object that a link leads to, if F3 allows link and object; `path` is for messages. */
kl_status kl_h5_follow(const kl_h5_file *f, const kl_h5_link *link, const char *path, const kl_h5_object **out);

/* The object at a path (from the root), NULL if there is none. */
kl_status kl_h5_find_object(const kl_h5_file *f, const char *path, const kl_h5_object **out);

/* Judges a dataset. */
kl_status kl_h5_check_dataset(const kl_h5_file *f, const char *path, const kl_h5_object *o, kl_h5_dataset *d);

/* The dataset at a path. */
kl_status kl_h5_find_dataset(const kl_h5_file *f, const char *path, kl_h5_dataset *d);

/* The stored elements: where they lie in memory, or read into *scratch (empty before). */
kl_status kl_h5_get_raw(const kl_h5_file *f, const char *path, const kl_h5_dataset *d, kl_buffer *scratch,
                        const void **out);

/* h5_chunk.c */

/* Reads chunk `number` of a dataset to `to`, through its filters. */
kl_status kl_h5_read_chunk(const kl_h5_source *s, const char *path, const kl_h5_dataset *d, size_t number, void *to);

/* Copies what chunk `number`, at `from`, has of `count` rows from `first` on, to their place among these rows. */
void kl_h5_place_chunk(const kl_h5_dataset *d, size_t number, const void *from, int64_t first, int64_t count,
                       void *rows);

/* h5_manifest.c */

/* One line of the manifest that is being written. */
typedef struct kl_h5_entry {
  char *path;
  kl_tensor *tensor; /* NULL: a group */
} kl_h5_entry;

/* The manifest's text for the datasets among `count` entries sorted by path. */
kl_status kl_h5_write_manifest(const kl_h5_entry *entries, size_t count, const char *members, kl_buffer *out);

/* h5_image.c: the elements of a tensor in C order: its own bytes, or a copy in *scratch (empty before). */
kl_status kl_h5_tensor_bytes(const kl_tensor *t, kl_buffer *scratch, const void **out);

#endif
