/* Chunks of a dataset: their bytes from the file, back through the filters (Fletcher-32, shuffle, deflate; the HDF5
 * file format specification, "Disk Format: Level 2A2l"), and to their place among the rows. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/size.h"
#include "io/h5_internal.h"

/* A chunk on its way back. */
typedef struct passage {
  const kl_h5_source *source;
  const char *path;
  size_t number;
  const char *bytes; /* as they are now: in the file's image or in a block */
  size_t size;
  char *block[2]; /* of `room` bytes each */
  size_t room;
} passage;

static kl_status fail(const passage *p, const char *what) {
  return kl_fail(KL_EIO, "%s: %.300s: chunk %zu is damaged: %s", p->source->name, p->path, p->number + 1, what);
}

/* The block that the bytes are not in. */
static char *other_block(const passage *p) { return p->bytes == p->block[0] ? p->block[1] : p->block[0]; }

/* The sum over words of 16 bits, of which the high byte comes first; an odd byte is the high one of a last word. */
static uint32_t fletcher32(const char *data, size_t size) {
  const unsigned char *bytes = (const unsigned char *)data;
  uint32_t low = 0, high = 0;
  for (size_t i = 0; i < size; i += 2) {
    low += (uint32_t)bytes[i] << 8 | (i + 1 < size ? bytes[i + 1] : 0u);
    high += low = (low & 0xffff) + (low >> 16);
    high = (high & 0xffff) + (high >> 16);
  }
  low = (low & 0xffff) + (low >> 16);
  high = (high & 0xffff) + (high >> 16);
  return high << 16 | low;
}

static kl_status check_sum(passage *p) {
  uint32_t stored;
  if (p->size < sizeof stored) {
    return fail(p, "it is too short for its Fletcher-32");
  }
  p->size -= sizeof stored;
  memcpy(&stored, p->bytes + p->size, sizeof stored);
  uint32_t found = fletcher32(p->bytes, p->size);
  /* HDF5 before 1.6.3 wrote both halves with their bytes exchanged */
  uint32_t old = (found & 0x00ff00ffu) << 8 | (found & 0xff00ff00u) >> 8;
  return stored == found || stored == old ? KL_OK
                                          : kl_fail(KL_EIO,
                                                    "%s: %.300s: chunk %zu is damaged: Fletcher-32 %08x expected, %08x "
                                                    "found",
                                                    p->source->name, p->path, p->number + 1, stored, found);
}

static kl_status inflate_bytes(passage *p) {
  char *to = other_block(p);
  uLongf size = p->room;
  int result = uncompress((Bytef *)to, &size, (const Bytef *)p->bytes, p->size);
  if (result == Z_MEM_ERROR) {
    return kl_fail(KL_ENOMEM, "%s: %.300s: out of memory for unpacking", p->source->name, p->path);
  }
  if (result != Z_OK) {
    return fail(p, result == Z_BUF_ERROR ? "it unpacks to another size" : "it does not unpack");
  }
  p->bytes = to;
  p->size = size;
  return KL_OK;
}

/* First the first bytes of all elements, then the second ones, ...; what is left over stays. */
static void unshuffle(passage *p, size_t width) {
  size_t count = width == 0 ? 0 : p->size / width;
  if (width <= 1 || count <= 1) {
    return;
  }
  char *to = other_block(p);
  for (size_t j = 0; j < width; j++) {
    const char *from = p->bytes + j * count;
    for (size_t i = 0; i < count; i++) {
      to[i * width + j] = from[i];
    }
  }
  memcpy(to + count * width, p->bytes + count * width, p->size - count * width);
  p->bytes = to;
}

static kl_status undo_filters(passage *p, const kl_h5_facts *f, uint32_t skipped) {
  for (uint32_t i = f->filters; i-- > 0;) {
    if ((skipped >> i & 1) != 0) {
      continue;
    }
    if (f->filter[i] == KL_H5_FLETCHER32) {
      KL_TRY(check_sum(p));
    } else if (f->filter[i] == KL_H5_DEFLATE) {
      KL_TRY(inflate_bytes(p));
    } else if (p->size > p->room) {
      return fail(p, "it is larger than a chunk");
    } else {
      unshuffle(p, f->shuffled);
    }
  }
  return KL_OK;
}

/* Reads the stored bytes from a file that is not in memory. */
static kl_status read_file(const kl_h5_source *s, const kl_h5_chunk *chunk, char *to) {
  for (size_t done = 0; done < chunk->size;) {
    ssize_t n = pread(s->file, to + done, chunk->size - done, (off_t)(chunk->offset + done));
    if (n == 0 || (n < 0 && errno != EINTR)) {
      char why[128];
      return kl_fail(KL_EIO, "%s: cannot be read: %s", s->name,
                     n == 0 ? "the file was cut off since it was opened" : strerror_r(errno, why, sizeof why));
    }
    done += n < 0 ? 0 : (size_t)n;
  }
  return KL_OK;
}

static kl_status restore(passage *p, const kl_h5_dataset *d, const kl_h5_chunk *chunk, char *stored, void *to) {
  if (stored == NULL) {
    p->bytes = p->source->image + chunk->offset;
  } else {
    KL_TRY(read_file(p->source, chunk, stored));
    p->bytes = stored;
  }
  p->size = chunk->size;
  KL_TRY(undo_filters(p, d->facts, chunk->skipped));
  if (p->size != d->chunk_bytes) {
    return kl_fail(KL_EIO, "%s: %.300s: chunk %zu is damaged: %zu bytes expected, %zu found", p->source->name, p->path,
                   p->number + 1, d->chunk_bytes, p->size);
  }
  memcpy(to, p->bytes, p->size);
  return KL_OK;
}

/* Where a chunk begins in the array, and how much of it lies inside. */
static void find_part(const kl_h5_dataset *d, size_t number, int64_t *start, int64_t *length) {
  for (int i = d->shape.ndim - 1; i >= 0; i--) {
    start[i] = (int64_t)(number % (size_t)d->grid[i]) * d->chunk_dim[i];
    number /= (size_t)d->grid[i];
    length[i] = kl_min_i64(d->shape.dim[i] - start[i], d->chunk_dim[i]);
  }
}

/* Whether it sticks out of the array. */
static bool is_at_edge(const kl_h5_dataset *d, size_t number) {
  int64_t start[KL_MAX_NDIM], length[KL_MAX_NDIM];
  find_part(d, number, start, length);
  for (int i = 0; i < d->shape.ndim; i++) {
    if (length[i] < d->chunk_dim[i]) {
      return true;
    }
  }
  return false;
}

/* The next position in [low, high) of the axes up to `last`; false behind the last one. */
static bool step(int last, const int64_t *low, const int64_t *high, int64_t *at) {
  for (int axis = last; axis >= 0; axis--) {
    if (++at[axis] < high[axis]) {
      return true;
    }
    at[axis] = low[axis];
  }
  return false;
}

/* Only the part inside the array: a small file may declare any number of large chunks that were never written. */
static void fill(const kl_h5_dataset *d, size_t number, char *to) {
  int64_t start[KL_MAX_NDIM], length[KL_MAX_NDIM], at[KL_MAX_NDIM] = {0};
  static const int64_t zeros[KL_MAX_NDIM];
  int last = d->shape.ndim - 1;
  size_t size = (size_t)d->element.size;
  find_part(d, number, start, length);
  do {
    size_t place = 0;
    for (int i = 0; i <= last; i++) {
      place = place * (size_t)d->chunk_dim[i] + (size_t)at[i];
    }
    for (int64_t i = 0; i < length[last]; i++) {
      memcpy(to + (place + (size_t)i) * size, d->facts->fill, size);
    }
  } while (step(last - 1, zeros, length, at));
}

kl_status kl_h5_read_chunk(const kl_h5_source *s, const char *path, const kl_h5_dataset *d, size_t number, void *to) {
  kl_h5_chunk chunk;
  memcpy(&chunk, d->chunk + number * sizeof chunk, sizeof chunk);
  if (chunk.size == 0) {
    fill(d, number, to);
    return KL_OK;
  }
  if (d->facts->plain_edges != 0 && is_at_edge(d, number)) {
    chunk.skipped = UINT32_MAX;
  }
  passage p = {.source = s, .path = path, .number = number};
  if (chunk.offset > s->size || chunk.size > s->size - chunk.offset) {
    return fail(&p, "it does not lie inside the file");
  }
  p.room = d->chunk_bytes + 4 * KL_H5_MOST_FILTERS; /* a sum is 4 bytes more */
  bool filtered = d->facts->filters > 0;
  char *stored = s->image == NULL ? kl_alloc(chunk.size) : NULL;
  p.block[0] = filtered ? kl_alloc(p.room) : NULL;
  p.block[1] = filtered ? kl_alloc(p.room) : NULL;
  bool lack = (filtered && (p.block[0] == NULL || p.block[1] == NULL)) || (stored == NULL && s->image == NULL);
  kl_status status = lack ? KL_ENOMEM : restore(&p, d, &chunk, stored, to);
  kl_free(p.block[0], p.room);
  kl_free(p.block[1], p.room);
  kl_free(stored, chunk.size);
  return status;
}

void kl_h5_place_chunk(const kl_h5_dataset *d, size_t number, const void *from, int64_t first, int64_t count,
                       void *rows) {
  int ndim = d->shape.ndim, last = ndim - 1;
  size_t size = (size_t)d->element.size;
  int64_t low[KL_MAX_NDIM], high[KL_MAX_NDIM], at[KL_MAX_NDIM], start[KL_MAX_NDIM], length[KL_MAX_NDIM];
  find_part(d, number, start, length);
  low[0] = start[0] > first ? start[0] : first; /* the part of the array that chunk and rows share: from low to high */
  high[0] = kl_min_i64(start[0] + length[0], first + count);
  for (int i = 1; i < ndim; i++) {
    low[i] = start[i];
    high[i] = start[i] + length[i];
  }
  if (low[0] >= high[0]) {
    return;
  }
  memcpy(at, low, sizeof *at * (size_t)ndim);
  size_t run = size;
  while (last > 0 && d->chunk_dim[last] == d->shape.dim[last]) { /* together in the chunk and in the array */
    run *= (size_t)d->shape.dim[last--];
  }
  run *= (size_t)(high[last] - low[last]);
  do {
    size_t source = 0, target = 0;
    for (int i = 0; i < ndim; i++) {
      source = source * (size_t)d->chunk_dim[i] + (size_t)(at[i] - start[i]);
      target = target * (size_t)d->shape.dim[i] + (size_t)(i == 0 ? at[i] - first : at[i]);
    }
    memcpy((char *)rows + target * size, (const char *)from + source * size, run);
  } while (step(last - 1, low, high, at));
}
