/* The table of contents of an HDF5 file, which a helper process (io/apart.h) makes of it with libhdf5.
 *
 * The helper (h5_helper.c) tells facts, this process (h5_toc.c, h5_check.c) judges them: the helper has read hostile
 * bytes, so nothing it says is believed before it is checked, and no byte of a dataset comes from it but those that lie
 * in headers.  Objects are numbered in the order in which they are told, the root is 0; an object with several hard
 * links is told once, so links may form rings. */
#ifndef KL_IO_H5_TOC_H
#define KL_IO_H5_TOC_H

#include "io/buffer.h"
#include "io/elements.h"
#include "io/h5.h"

#define KL_H5_MOST_FILTERS 8
#define KL_H5_FILTER_NAME 64

/* The numbers are those of libhdf5. */
enum { KL_H5_DEFLATE = 1, KL_H5_SHUFFLE = 2, KL_H5_FLETCHER32 = 3 };

typedef enum kl_h5_link_kind {
  KL_H5_TO_OBJECT, /* a hard link */
  KL_H5_SOFT,
  KL_H5_EXTERNAL,
  KL_H5_USER,   /* defined by a program */
  KL_H5_BEYOND, /* a hard link to more objects than are told */
} kl_h5_link_kind;

typedef enum kl_h5_type {
  KL_H5_NUMBERS, /* of `element` */
  KL_H5_VARIABLE,
  KL_H5_TEXT,
  KL_H5_ENUMERATION,
  KL_H5_COMPOUND,
  KL_H5_STRANGE,
} kl_h5_type;

typedef enum kl_h5_layout {
  KL_H5_CONTIGUOUS,
  KL_H5_CHUNKED,
  KL_H5_COMPACT,
  KL_H5_VIRTUAL,
  KL_H5_UNKNOWN,
} kl_h5_layout;

/* What is said about a dataset.  Numbers of fixed width only: whatever bytes come, each is a value. */
typedef struct kl_h5_facts {
  uint32_t type;                      /* kl_h5_type */
  uint32_t kind, size, big;           /* of the element */
  uint32_t empty, ndim;               /* no dataspace; axes, however many */
  uint32_t layout, external;          /* kl_h5_layout; number of files that hold data */
  uint32_t filters;                   /* how many, in the order of writing */
  int32_t filter[KL_H5_MOST_FILTERS]; /* the first of them */
  uint32_t shuffled;                  /* bytes of what shuffling takes apart */
  uint32_t chunk_ndim, plain_edges;   /* axes of a chunk; those that stick out of the array have no filters */
  uint64_t dim[KL_MAX_NDIM], chunk[KL_MAX_NDIM];
  uint64_t stored, offset;             /* bytes; where they begin, if contiguous */
  unsigned char fill[8];               /* the element where nothing was written */
  char filter_name[KL_H5_FILTER_NAME]; /* of the first that is not one of the three, NUL-terminated */
} kl_h5_facts;

/* A chunk; size 0: never written. */
typedef struct kl_h5_chunk {
  uint64_t offset;
  uint32_t size, skipped; /* bytes in the file; a bit for each filter that was left out */
} kl_h5_chunk;

typedef enum kl_h5_attribute_kind {
  KL_H5_ATTRIBUTE_INTEGER,
  KL_H5_ATTRIBUTE_STRINGS,
  KL_H5_ATTRIBUTE_VARIABLE, /* strings of variable length */
  KL_H5_ATTRIBUTE_OTHER_TYPE,
  KL_H5_ATTRIBUTE_OTHER_SHAPE,
  KL_H5_ATTRIBUTE_SHORT, /* fewer bytes than it declares */
  KL_H5_ATTRIBUTE_BROKEN,
} kl_h5_attribute_kind;

/* What is said about an attribute; its bytes follow. */
typedef struct kl_h5_attribute_facts {
  uint32_t type;            /* kl_h5_attribute_kind */
  uint32_t kind, size, big; /* of an integer */
  uint32_t scalar, spaces;  /* one value; padded with spaces */
  uint64_t count, width;
} kl_h5_attribute_facts;

/* The answer is the mark, then the end that the superblock declares (8 bytes), then the objects by number, each a tag
 * and what follows; then KL_H5_TAG_END.  A text is its length (4 bytes), its bytes and a NUL. */
#define KL_H5_TOC_MARK 0x314b4835u

enum {
  KL_H5_TAG_END = 1,
  KL_H5_TAG_REFUSED,    /* no whole file: a text.  The only tag there is then */
  KL_H5_TAG_GROUP,      /* links, then KL_H5_TAG_END */
  KL_H5_TAG_DATASET,    /* facts, how many chunks were written (8), number of chunks (8), chunks,
                           number of bytes (8), bytes */
  KL_H5_TAG_OTHER,      /* neither of both */
  KL_H5_TAG_BROKEN,     /* does not open: a text */
  KL_H5_TAG_UNREADABLE, /* a dataset that opens, with facts that do not: a text */
  KL_H5_TAG_LINK,       /* in a group: a text, kind (4), number of the object (4) */
  KL_H5_TAG_MORE,       /* in a group, the last: more names than are told */
  KL_H5_TAG_PROBLEM,    /* in a group, the last: its links cannot be told: a text */
  KL_H5_TAG_ATTRIBUTE,  /* of the object before: a text, facts, number of bytes (8), bytes */
  KL_H5_TAG_LOST,       /* the attributes of the object before cannot be told, or not all: a text */
};

/* Decoded; texts and bytes point into `answer`. */

typedef struct kl_h5_link {
  const char *name;
  size_t size; /* bytes of the name */
  kl_h5_link_kind kind;
  uint32_t object;
} kl_h5_link;

typedef struct kl_h5_named {
  const char *name;
  kl_h5_attribute_facts facts;
  const char *bytes;
  size_t size;
} kl_h5_named;

typedef struct kl_h5_object {
  kl_h5_kind kind;              /* KL_H5_NOTHING: neither group nor dataset, or it does not open */
  const char *problem;          /* HDF5's words for what is wrong with it, or NULL */
  size_t link, links;           /* a group's, sorted by name: from `link` on */
  bool more;                    /* it has more */
  size_t attribute, attributes; /* from `attribute` on */
  const char *lost;             /* HDF5's words for why there may be more, or NULL */
  size_t facts;                 /* a dataset's, unless there is a problem: their number */
  const char *chunk;            /* its kl_h5_chunks, not aligned */
  size_t chunks;
  uint64_t written;  /* how many of them are in the file's index */
  const char *bytes; /* its bytes, if they lie in its header */
  size_t size;
} kl_h5_object;

typedef struct kl_h5_toc {
  kl_buffer answer, facts, objects, links, attributes;
  uint64_t end;
  bool has_attributes;
} kl_h5_toc;

/* Where the bytes of a file are. */
typedef struct kl_h5_source {
  const char *name;  /* for messages */
  const char *image; /* the file in memory, or NULL */
  int file;          /* a descriptor, where there is no image */
  size_t size;       /* bytes of the file */
  const char *only;  /* tell no more than what is on the way to this path (checked), and all about that; or NULL */
  bool attributes;   /* tell attributes, too: most of HDF5's published defects are met there (F2) */
} kl_h5_source;

/* Lets a helper make the table of contents.  Errors: KL_EIO for what is no whole HDF5 file, with HDF5's innermost
 * words, and for a helper that did not answer, or not in a way that can be; KL_ENOMEM. */
kl_status kl_h5_toc_make(const kl_h5_source *s, kl_h5_toc *out);
void kl_h5_toc_release(kl_h5_toc *toc); /* {0} is allowed */

const kl_h5_object *kl_h5_toc_object(const kl_h5_toc *toc, uint32_t number);
const kl_h5_link *kl_h5_toc_links(const kl_h5_toc *toc, const kl_h5_object *group);
const kl_h5_link *kl_h5_toc_find(const kl_h5_toc *toc, const kl_h5_object *group, const char *name, size_t size);
const kl_h5_facts *kl_h5_toc_facts(const kl_h5_toc *toc, const kl_h5_object *dataset);

/* The first attribute of that name, or NULL.  `object` is of a table with attributes. */
const kl_h5_named *kl_h5_toc_attribute(const kl_h5_toc *toc, const kl_h5_object *object, const char *name);

/* h5_helper.c: the helper's work; `data` is the kl_h5_source. */
struct kl_apart;
void kl_h5_tell(struct kl_apart *process, void *data);

#endif
