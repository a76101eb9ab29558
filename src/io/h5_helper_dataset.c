/* What a helper process tells about a dataset: what it is, and where its elements lie. */
#include <stdlib.h>
#include <string.h>

#include "io/h5_helper.h"

/* Each of these fills in what it is about, and is false on failure. */

static bool find_type(hid_t set, kl_h5_facts *f) {
  hid_t type = H5Dget_type(set);
  if (type < 0) {
    return false;
  }
  kl_element e;
  H5T_class_t class = H5Tget_class(type);
  if (kl_h5_element_of(type, &e)) {
    f->type = KL_H5_NUMBERS;
    f->kind = e.kind;
    f->size = (uint32_t)e.size;
    f->big = e.big;
  } else {
    f->type = class == H5T_VLEN || (class == H5T_STRING && H5Tis_variable_str(type) > 0) ? KL_H5_VARIABLE
              : class == H5T_STRING                                                      ? KL_H5_TEXT
              : class == H5T_ENUM                                                        ? KL_H5_ENUMERATION
              : class == H5T_COMPOUND                                                    ? KL_H5_COMPOUND
                                                                                         : KL_H5_STRANGE;
  }
  H5Tclose(type);
  return true;
}

static bool find_space(hid_t set, kl_h5_facts *f) {
  hsize_t dims[H5S_MAX_RANK];
  hid_t space = H5Dget_space(set);
  H5S_class_t class = space < 0 ? H5S_NO_CLASS : H5Sget_simple_extent_type(space);
  int ndim = class == H5S_SIMPLE || class == H5S_SCALAR ? H5Sget_simple_extent_dims(space, dims, NULL) : -1;
  H5Sclose(space);
  f->empty = class == H5S_NULL;
  f->ndim = ndim < 0 ? 0 : (uint32_t)ndim;
  for (int i = 0; i < ndim && i < KL_MAX_NDIM; i++) {
    f->dim[i] = dims[i];
  }
  return ndim >= 0 || f->empty;
}

static bool find_filters(hid_t list, kl_h5_facts *f) {
  int count = H5Pget_nfilters(list);
  f->filters = count < 0 ? 0 : (uint32_t)count;
  for (int i = 0; i < count && i < KL_H5_MOST_FILTERS; i++) {
    unsigned flags, config, values[1] = {0};
    size_t size = 1;
    char name[KL_H5_FILTER_NAME] = "";
    H5Z_filter_t filter = H5Pget_filter2(list, (unsigned)i, &flags, &size, values, sizeof name - 1, name, &config);
    f->filter[i] = filter;
    if (filter == KL_H5_SHUFFLE) {
      f->shuffled = values[0];
    } else if (filter != KL_H5_DEFLATE && filter != KL_H5_FLETCHER32 && f->filter_name[0] == '\0') {
      memcpy(f->filter_name, name, sizeof name);
    }
  }
  return count >= 0;
}

static bool find_storage(hid_t set, hid_t list, kl_h5_facts *f) {
  H5D_layout_t layout = H5Pget_layout(list);
  int external = layout < 0 ? -1 : H5Pget_external_count(list);
  if (external < 0 || !find_filters(list, f)) {
    return false;
  }
  f->external = (uint32_t)external;
  f->layout = layout == H5D_CONTIGUOUS ? KL_H5_CONTIGUOUS
              : layout == H5D_CHUNKED  ? KL_H5_CHUNKED
              : layout == H5D_COMPACT  ? KL_H5_COMPACT
              : layout == H5D_VIRTUAL  ? KL_H5_VIRTUAL
                                       : KL_H5_UNKNOWN;
  if (layout == H5D_CHUNKED) {
    hsize_t dims[H5S_MAX_RANK];
    unsigned options = 0;
    int ndim = H5Pget_chunk(list, H5S_MAX_RANK, dims);
    if (H5Pget_chunk_opts(list, &options) < 0) {
      return false;
    }
    f->plain_edges = (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0;
    f->chunk_ndim = ndim < 0 ? 0 : (uint32_t)ndim;
    for (int i = 0; i < ndim && i < KL_MAX_NDIM; i++) {
      f->chunk[i] = dims[i];
    }
  }
  if (layout == H5D_CONTIGUOUS) {
    f->offset = H5Dget_offset(set);
  }
  f->stored = layout == H5D_VIRTUAL ? 0 : H5Dget_storage_size(set);
  return true;
}

static bool find_fill(hid_t list, kl_h5_facts *f) {
  H5D_fill_value_t defined;
  if (f->type != KL_H5_NUMBERS || H5Pfill_value_defined(list, &defined) < 0 || defined != H5D_FILL_VALUE_USER_DEFINED) {
    return true; /* zeros */
  }
  hid_t type = kl_h5_type_of((kl_element){(kl_element_kind)f->kind, (int)f->size, f->big != 0});
  bool found = H5Pget_fill_value(list, type, f->fill) >= 0;
  H5Tclose(type);
  return found;
}

/* Tells where the chunks lie.  libhdf5 has no quick way to ask; but reading a chunk raw makes it look up where that is,
 * and tell the driver. */
static void tell_chunks(kl_h5_helper *h, hid_t set, const kl_h5_dataset *d) {
  hsize_t at[KL_MAX_NDIM] = {0}, written = 0;
  uint64_t offset, size;
  hid_t space = H5Dget_space(set);
  bool known = space >= 0 && H5Dget_num_chunks(set, space, &written) >= 0;
  kl_h5_say_length(h, known ? written : UINT64_MAX);
  kl_h5_say_length(h, d->chunks);
  kl_h5_driver_watch(&offset, &size);
  for (size_t i = 0; i < d->chunks; i++) {
    kl_h5_chunk chunk = {0};
    char nothing[1];
    offset = size = 0;
    if (H5Dread_chunk(set, H5P_DEFAULT, at, &chunk.skipped, nothing) >= 0 && size <= UINT32_MAX) {
      chunk.offset = offset;
      chunk.size = (uint32_t)size;
    }
    kl_h5_say_bytes(h, &chunk, sizeof chunk);
    for (int axis = d->shape.ndim - 1; axis >= 0; axis--) {
      at[axis] += (hsize_t)d->chunk_dim[axis];
      if (at[axis] < (hsize_t)d->shape.dim[axis]) {
        break;
      }
      at[axis] = 0;
    }
  }
  H5Eclear2(H5E_DEFAULT);
  H5Sclose(space);
  kl_h5_driver_watch(NULL, NULL);
}

/* Tells the bytes of a dataset that lie in its header, and nothing if they cannot be had. */
static void tell_bytes(kl_h5_helper *h, hid_t set, const kl_h5_dataset *d) {
  char *bytes = malloc(d->bytes + 1);
  hid_t type = kl_h5_type_of(d->element); /* equal to the dataset's own: HDF5 has nothing to convert */
  bool done = bytes != NULL && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) >= 0;
  kl_h5_say_length(h, done ? d->bytes : 0);
  kl_h5_say_bytes(h, bytes, done ? d->bytes : 0);
  H5Tclose(type);
  free(bytes);
}

void kl_h5_tell_dataset(kl_h5_helper *h, hid_t set) {
  kl_h5_facts facts = {0};
  kl_h5_dataset d;
  hid_t list = H5Dget_create_plist(set);
  bool found = list >= 0 && find_type(set, &facts) && find_space(set, &facts) && find_storage(set, list, &facts) &&
               find_fill(list, &facts);
  if (list >= 0) {
    H5Pclose(list);
  }
  if (!found) {
    kl_h5_say_words(h, KL_H5_TAG_UNREADABLE);
    return;
  }
  kl_h5_say_number(h, KL_H5_TAG_DATASET);
  kl_h5_say_bytes(h, &facts, sizeof facts);
  bool more = kl_h5_check_facts(h->source, true, "", &facts, &d) == KL_OK && d.bytes > 0;
  if (more && d.layout == KL_H5_CHUNKED) {
    tell_chunks(h, set, &d);
  } else {
    kl_h5_say_length(h, 0);
    kl_h5_say_length(h, 0);
  }
  if (more && d.layout == KL_H5_COMPACT) {
    tell_bytes(h, set, &d);
  } else {
    kl_h5_say_length(h, 0);
  }
}
