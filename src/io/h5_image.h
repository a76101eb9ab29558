/* A writer's content, and the HDF5 file image made of it.  For h5_write.c and h5_image.c only. */
#ifndef KL_IO_H5_IMAGE_H
#define KL_IO_H5_IMAGE_H

#include "io/h5_internal.h"

typedef enum kl_h5_value_kind { KL_H5_INTEGER, KL_H5_STRING, KL_H5_STRINGS } kl_h5_value_kind;

/* An attribute. */
typedef struct kl_h5_value {
  char *path, *name;
  kl_h5_value_kind kind;
  int64_t integer;
  size_t count, width; /* strings, bytes of each */
  kl_buffer text;
} kl_h5_value;

struct kl_h5_writer {
  kl_buffer entries; /* kl_h5_entry, sorted by path: a group comes before what is in it; without the root */
  kl_buffer values;  /* kl_h5_value, in the order of the calls */
};

static inline size_t kl_h5_entry_count(const kl_h5_writer *w) { return w->entries.size / sizeof(kl_h5_entry); }

static inline size_t kl_h5_value_count(const kl_h5_writer *w) { return w->values.size / sizeof(kl_h5_value); }

/* The file's bytes in *out (empty before). */
kl_status kl_h5_build_image(const kl_h5_writer *w, bool checksums, bool bools, kl_buffer *out);

#endif
