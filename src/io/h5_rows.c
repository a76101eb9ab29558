/* The file is opened by HDF5's own driver, without locks, and read by hyperslabs; only what lies in chunks or in the
 * header is read through HDF5 at all, rows.c reads the rest itself. */
#include "io/h5_rows.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "io/h5_internal.h"

#define SMALLEST_CACHE ((size_t)1 << 20)
#define LARGEST_CACHE ((size_t)256 << 20) /* bytes of unpacked chunks that HDF5 keeps */

struct kl_h5_rows {
  kl_h5_file file;
  kl_h5_dataset set;
  char path[KL_PATH_TEXT];
};

static kl_status open_file(kl_h5_file *f, const char *path) {
  struct stat st;
  kl_path_text(path, f->name);
  f->file = -1;
  f->compressed = true;
  if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
    return kl_fail(KL_EIO, "%s: cannot be read: it is not a regular file", f->name);
  }
  f->size = (size_t)st.st_size;
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  if (access >= 0 && H5Pset_fapl_sec2(access) >= 0 && H5Pset_file_locking(access, 0, 1) >= 0 &&
      H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0) {
    f->file = H5Fopen(path, H5F_ACC_RDONLY, access);
  }
  kl_status status = f->file >= 0 ? KL_OK : kl_h5_fail(f->name, "not a whole HDF5 file");
  H5Pclose(access);
  return status == KL_OK ? kl_h5_check_end(f) : status;
}

/* The only dataset that can be read. */
static kl_status find_dataset(kl_h5_rows *r) {
  kl_h5_list list;
  KL_TRY(kl_h5_list_datasets(&r->file, &list));
  kl_status status = KL_OK;
  char names[300] = "";
  size_t at = 0;
  for (size_t i = 0; i < list.count && at < sizeof names - 1; i++) {
    int n = snprintf(names + at, sizeof names - at, "%s%s", at > 0 ? ", " : "", list.items[i].path);
    at = n < 0 || (size_t)n >= sizeof names - at ? sizeof names - 1 : at + (size_t)n;
  }
  if (list.count == 1) {
    snprintf(r->path, sizeof r->path, "%s", list.items[0].path);
  } else {
    status = kl_fail(KL_EVALUE, "%s: the option dataset = path expected, the file has %zu datasets%s%s", r->file.name,
                     list.count, list.count > 0 ? ": " : "", names);
  }
  kl_h5_list_release(&list);
  return status;
}

/* Opens the dataset again with a cache that holds all chunks that a row lies in. */
static kl_status open_cached(kl_h5_rows *r) {
  hsize_t dims[H5S_MAX_RANK];
  hid_t list = H5Dget_create_plist(r->set.id);
  bool chunked = list >= 0 && H5Pget_layout(list) == H5D_CHUNKED;
  int ndim = chunked ? H5Pget_chunk(list, H5S_MAX_RANK, dims) : 0;
  H5Pclose(list);
  if (!chunked || ndim != r->set.shape.ndim) {
    return KL_OK;
  }
  double bytes = r->set.element.size; /* of the chunks side by side */
  for (int i = 0; i < ndim; i++) {
    double size = (double)dims[i], all = (double)r->set.shape.dim[i];
    bytes *= i == 0 || size > all ? size : (double)((int64_t)((all + size - 1) / size)) * size;
  }
  size_t cache = bytes < (double)SMALLEST_CACHE  ? SMALLEST_CACHE
                 : bytes > (double)LARGEST_CACHE ? LARGEST_CACHE
                                                 : (size_t)bytes;
  hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
  hid_t again =
      access >= 0 && H5Pset_chunk_cache(access, 10007, cache, 1.0) >= 0 ? H5Dopen2(r->file.file, r->path, access) : -1;
  H5Pclose(access);
  if (again >= 0) {
    H5Oclose(r->set.id);
    r->set.id = again;
  }
  return again >= 0 ? KL_OK : kl_h5_fail(r->file.name, r->path);
}

static kl_status open_dataset(kl_h5_rows *r, const char *dataset) {
  char *checked;
  if (dataset == NULL) {
    KL_TRY(find_dataset(r));
  } else if (strlen(dataset) >= sizeof r->path - 1) {
    return kl_fail(KL_EVALUE, "%s: the path of a dataset of fewer than %zu bytes expected, got %zu", r->file.name,
                   sizeof r->path - 1, strlen(dataset));
  }
  KL_TRY(kl_h5_new_path(r->file.name, dataset == NULL ? r->path : dataset, &checked));
  snprintf(r->path, sizeof r->path, "%s", checked);
  kl_h5_free_path(checked);
  KL_TRY(kl_h5_open_dataset(&r->file, r->path, &r->set));
  return open_cached(r);
}

kl_status kl_h5_rows_open(const char *path, const char *dataset, kl_h5_rows **out) {
  *out = NULL;
  KL_TRY(kl_h5_enter());
  kl_h5_rows *r = kl_alloc_zero(sizeof *r);
  if (r == NULL) {
    return KL_ENOMEM;
  }
  r->set.id = -1;
  kl_status status = open_file(&r->file, path);
  if (status == KL_OK) {
    status = open_dataset(r, dataset);
  }
  if (status != KL_OK) {
    kl_h5_rows_release(r);
    return status;
  }
  *out = r;
  return KL_OK;
}

void kl_h5_rows_release(kl_h5_rows *r) {
  if (r != NULL) {
    if (r->file.file >= 0 && kl_h5_enter() == KL_OK) {
      if (r->set.id >= 0) {
        H5Oclose(r->set.id);
      }
      H5Fclose(r->file.file);
    }
    kl_free(r, sizeof *r);
  }
}

kl_element kl_h5_rows_element(const kl_h5_rows *r) { return r->set.element; }

const kl_shape *kl_h5_rows_shape(const kl_h5_rows *r) { return &r->set.shape; }

bool kl_h5_rows_offset(const kl_h5_rows *r, uint64_t *out) {
  *out = r->set.offset;
  return r->set.contiguous;
}

kl_status kl_h5_rows_read(kl_h5_rows *r, int64_t first, int64_t count, void *to) {
  hsize_t start[KL_MAX_NDIM] = {(hsize_t)first}, size[KL_MAX_NDIM] = {(hsize_t)count};
  const kl_shape *shape = &r->set.shape;
  bool empty = count == 0;
  for (int i = 1; i < shape->ndim; i++) {
    size[i] = (hsize_t)shape->dim[i];
    empty = empty || size[i] == 0;
  }
  if (empty) {
    return KL_OK;
  }
  KL_TRY(kl_h5_enter());
  hid_t type = kl_h5_type_of(r->set.element); /* equal to the dataset's own: HDF5 has nothing to convert */
  hid_t space = H5Dget_space(r->set.id), memory = H5Screate_simple(shape->ndim, size, NULL);
  kl_status status = KL_OK;
  if (H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, size, NULL) < 0 ||
      H5Dread(r->set.id, type, memory, space, H5P_DEFAULT, to) < 0) {
    status = kl_h5_fail(r->file.name, r->path);
  }
  H5Sclose(memory);
  H5Sclose(space);
  H5Tclose(type);
  return status;
}
