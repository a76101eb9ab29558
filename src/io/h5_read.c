/* The reader: a file image opened read-only in place, walked by known paths under F3, datasets checked under F4. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "io/h5_internal.h"

#define MOST_INFLATED 1000 /* times as many bytes as are stored (F4) */

static const char signature[8] = "\x89HDF\r\n\x1a\n";

/* The core driver's callbacks: every image it asks for is ours, nothing is copied or freed. */

static void *give_image(size_t size, H5FD_file_image_op_t op, void *data) {
  (void)size;
  (void)op;
  return ((kl_buffer *)data)->data;
}

static void *copy_nothing(void *to, const void *from, size_t size, H5FD_file_image_op_t op, void *data) {
  (void)from;
  (void)size;
  (void)op;
  (void)data;
  return to;
}

static herr_t free_nothing(void *block, H5FD_file_image_op_t op, void *data) {
  (void)block;
  (void)op;
  (void)data;
  return 0;
}

static void *same_data(void *data) { return data; }

static herr_t keep_data(void *data) {
  (void)data;
  return 0;
}

static kl_status open_image(kl_h5_file *f) {
  H5FD_file_image_callbacks_t callbacks = {.image_malloc = give_image,
                                           .image_memcpy = copy_nothing,
                                           .image_free = free_nothing,
                                           .udata_copy = same_data,
                                           .udata_free = keep_data,
                                           .udata = &f->image};
  char name[KL_H5_IMAGE_NAME];
  kl_h5_image_name(name);
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  if (access >= 0 && H5Pset_fapl_core(access, 1 << 16, 0) >= 0 &&
      H5Pset_file_image_callbacks(access, &callbacks) >= 0 && H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0 &&
      H5Pset_file_image(access, f->image.data, f->image.size) >= 0) {
    f->file = H5Fopen(name, H5F_ACC_RDONLY, access);
  }
  kl_status status = f->file >= 0 ? KL_OK : kl_h5_fail(f->name, "not a whole HDF5 file");
  H5Pclose(access);
  return status;
}

kl_status kl_h5_check_end(const kl_h5_file *f) {
  ssize_t size = H5Fget_file_image(f->file, NULL, 0); /* the end of what the superblock declares */
  if (size < 0) {
    return kl_h5_fail(f->name, "size");
  }
  return (size_t)size == f->size
             ? KL_OK
             : kl_fail(KL_EIO, "%s: %zd bytes expected by its superblock, %zu found", f->name, size, f->size);
}

void kl_h5_accept_compressed(kl_h5_file *f) { f->compressed = true; }

kl_status kl_h5_open(const char *name, kl_buffer *image, kl_h5_file **out) {
  *out = NULL;
  KL_TRY(kl_h5_enter());
  char text[KL_PATH_TEXT];
  kl_path_text(name, text);
  if (image->size < sizeof signature || memcmp(image->data, signature, sizeof signature) != 0) {
    return kl_fail(KL_EIO, "%s: not an HDF5 file: its signature expected at offset 0 (the file has %zu bytes)", text,
                   image->size);
  }
  kl_h5_file *f = kl_alloc_zero(sizeof *f);
  if (f == NULL) {
    return KL_ENOMEM;
  }
  memcpy(f->name, text, sizeof text);
  f->image = *image;
  f->file = -1;
  f->size = image->size;
  kl_status status = open_image(f);
  if (status == KL_OK) {
    status = kl_h5_check_end(f);
  }
  if (status != KL_OK) {
    f->image = (kl_buffer){0}; /* still the caller's */
    kl_h5_release(f);
    return status;
  }
  *image = (kl_buffer){0};
  *out = f;
  return KL_OK;
}

void kl_h5_release(kl_h5_file *f) {
  if (f != NULL) {
    if (f->file >= 0 && kl_h5_enter() == KL_OK) {
      H5Fclose(f->file); /* strong: what is open in it closes, too */
    }
    kl_buffer_release(&f->image);
    kl_free(f, sizeof *f);
  }
}

kl_status kl_h5_open_link(const kl_h5_file *f, hid_t parent, const char *name, const char *path, hid_t *id,
                          kl_h5_kind *kind) {
  H5L_info_t info;
  *id = -1;
  *kind = KL_H5_NOTHING;
  htri_t exists = H5Lexists(parent, name, H5P_DEFAULT);
  if (exists == 0) {
    return KL_OK;
  }
  if (exists < 0 || H5Lget_info(parent, name, &info, H5P_DEFAULT) < 0) {
    return kl_h5_fail(f->name, path);
  }
  if (info.type != H5L_TYPE_HARD) {
    return kl_fail(KL_EIO, "%s: %.300s: a hard link expected, found %s, which kl does not follow", f->name, path,
                   info.type == H5L_TYPE_SOFT       ? "a soft link"
                   : info.type == H5L_TYPE_EXTERNAL ? "a link to another file"
                                                    : "a user-defined link");
  }
  *id = H5Oopen(parent, name, H5P_DEFAULT);
  H5I_type_t type = *id < 0 ? H5I_BADID : H5Iget_type(*id);
  if (type == H5I_GROUP || type == H5I_DATASET) {
    *kind = type == H5I_GROUP ? KL_H5_GROUP : KL_H5_DATASET;
    return KL_OK;
  }
  if (*id < 0) {
    return kl_h5_fail(f->name, path);
  }
  H5Oclose(*id);
  *id = -1;
  return kl_fail(KL_EIO, "%s: %.300s: a group or dataset expected, found another object", f->name, path);
}

kl_status kl_h5_open_path(kl_h5_file *f, const char *path, hid_t *id, kl_h5_kind *kind) {
  *kind = KL_H5_GROUP;
  *id = H5Oopen(f->file, "/", H5P_DEFAULT);
  if (*id < 0) {
    return kl_h5_fail(f->name, "/");
  }
  const char *part = path + 1;
  while (*part != '\0') {
    char name[KL_H5_MAX_NAME + 1];
    size_t size = strcspn(part, "/");
    memcpy(name, part, size);
    name[size] = '\0';
    hid_t parent = *id;
    kl_status status = KL_OK;
    if (*kind == KL_H5_DATASET) {
      *id = -1;
      *kind = KL_H5_NOTHING;
    } else {
      status = kl_h5_open_link(f, parent, name, path, id, kind);
    }
    H5Oclose(parent);
    if (status != KL_OK || *kind == KL_H5_NOTHING) {
      return status;
    }
    part += size + (part[size] == '/');
  }
  return KL_OK;
}

kl_status kl_h5_find(kl_h5_file *f, const char *path, kl_h5_kind *out) {
  char *checked;
  hid_t id = -1;
  *out = KL_H5_NOTHING;
  KL_TRY(kl_h5_enter());
  KL_TRY(kl_h5_new_path(f->name, path, &checked));
  kl_status status = kl_h5_open_path(f, checked, &id, out);
  if (id >= 0) {
    H5Oclose(id);
  }
  kl_h5_free_path(checked);
  return status;
}

/* Fills in element and shape. */
static kl_status check_type(const kl_h5_file *f, const char *path, kl_h5_dataset *d) {
  hid_t type = H5Dget_type(d->id);
  bool known = type >= 0 && kl_h5_element_of(type, &d->element);
  H5T_class_t class = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
  bool variable = class == H5T_VLEN || (class == H5T_STRING && H5Tis_variable_str(type) > 0);
  if (type < 0) {
    return kl_h5_fail(f->name, path);
  }
  H5Tclose(type);
  if (!known) {
    return kl_fail(
        KL_EIO,
        "%s: %.300s: an IEEE float of 16, 32 or 64 bits, an integer of 8 to 64 bits or h5py's bool expected, found %s",
        f->name, path,
        variable                ? "data of variable length"
        : class == H5T_STRING   ? "strings"
        : class == H5T_ENUM     ? "an enumeration"
        : class == H5T_COMPOUND ? "a compound type"
                                : "another type");
  }
  return KL_OK;
}

static kl_status check_space(const kl_h5_file *f, const char *path, kl_h5_dataset *d) {
  hsize_t dims[H5S_MAX_RANK];
  hid_t space = H5Dget_space(d->id);
  H5S_class_t class = space < 0 ? H5S_NO_CLASS : H5Sget_simple_extent_type(space);
  int ndim = class == H5S_SIMPLE || class == H5S_SCALAR ? H5Sget_simple_extent_dims(space, dims, NULL) : -1;
  H5Sclose(space);
  if (ndim < 0) {
    return class == H5S_NULL ? kl_fail(KL_EIO, "%s: %.300s: an array expected, found an empty dataspace", f->name, path)
                             : kl_h5_fail(f->name, path);
  }
  if (ndim > KL_MAX_NDIM) {
    return kl_fail(KL_EIO, "%s: %.300s: at most %d axes expected, found %d", f->name, path, KL_MAX_NDIM, ndim);
  }
  d->shape.ndim = ndim;
  d->bytes = (size_t)d->element.size;
  bool empty = false, fits = true;
  for (int i = 0; i < ndim; i++) {
    fits = fits && dims[i] <= INT64_MAX && (dims[i] == 0 || kl_mul_size(d->bytes, dims[i], &d->bytes));
    d->shape.dim[i] = (int64_t)dims[i];
    empty = empty || dims[i] == 0;
  }
  fits = fits && d->bytes <= INT64_MAX / 8; /* also of what an element becomes, and where an axis has no elements */
  d->bytes = empty ? 0 : d->bytes;
  return fits ? KL_OK : kl_fail(KL_EIO, "%s: %.300s: the declared shape does not fit in memory", f->name, path);
}

/* A chunk is read whole: it must be in the file whole. */
static kl_status check_chunk(const kl_h5_file *f, const char *path, const kl_h5_dataset *d, hid_t list) {
  hsize_t dims[H5S_MAX_RANK];
  int ndim = H5Pget_chunk(list, H5S_MAX_RANK, dims);
  size_t bytes = (size_t)d->element.size;
  bool fits = ndim >= 0 && ndim <= H5S_MAX_RANK;
  for (int i = 0; i < ndim && fits; i++) {
    fits = kl_mul_size(bytes, dims[i], &bytes);
  }
  size_t most = f->size;
  if (f->compressed) {
    most = most > SIZE_MAX / MOST_INFLATED ? SIZE_MAX : most * MOST_INFLATED;
  }
  return fits && bytes <= most
             ? KL_OK
             : kl_fail(KL_EIO,
                       "%s: %.300s: chunks of at most %zu bytes, for the file's size, expected, found larger ones",
                       f->name, path, most);
}

/* *factor: how many times as many bytes as are stored there may be. */
static kl_status check_filters(const kl_h5_file *f, const char *path, hid_t list, size_t *factor) {
  int count = H5Pget_nfilters(list);
  if (count < 0) {
    return kl_h5_fail(f->name, path);
  }
  for (int i = 0; i < count; i++) {
    unsigned flags, config;
    size_t values = 0;
    char name[64] = "";
    H5Z_filter_t filter = H5Pget_filter2(list, (unsigned)i, &flags, &values, NULL, sizeof name, name, &config);
    bool packs = filter == H5Z_FILTER_DEFLATE || filter == H5Z_FILTER_SHUFFLE;
    if (filter != H5Z_FILTER_FLETCHER32 && !(packs && f->compressed)) {
      return kl_fail(KL_EIO, "%s: %.300s: no filter but Fletcher-32 expected, found filter %d%s%.63s%s%s", f->name,
                     path, filter, *name != '\0' ? " (" : "", name, *name != '\0' ? ")" : "",
                     packs ? "; compressed = true takes it" : "");
    }
    *factor = filter == H5Z_FILTER_DEFLATE ? MOST_INFLATED : *factor;
  }
  return KL_OK;
}

/* Layout, filters, other files, and whether the declared bytes are stored. */
static kl_status check_storage(const kl_h5_file *f, const char *path, kl_h5_dataset *d, hid_t list) {
  H5D_layout_t layout = H5Pget_layout(list);
  if (layout == H5D_VIRTUAL || (layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED && layout != H5D_COMPACT)) {
    return kl_fail(KL_EIO, "%s: %.300s: a contiguous, chunked or compact dataset expected, found a %s one", f->name,
                   path, layout == H5D_VIRTUAL ? "virtual" : "strange");
  }
  if (H5Pget_external_count(list) != 0) {
    return kl_fail(KL_EIO, "%s: %.300s: data inside the file expected, found data in another file", f->name, path);
  }
  size_t factor = 1;
  KL_TRY(check_filters(f, path, list, &factor));
  if (layout == H5D_CHUNKED) {
    KL_TRY(check_chunk(f, path, d, list));
  }
  hsize_t stored = d->bytes == 0 ? 0 : H5Dget_storage_size(d->id);
  if (d->bytes / factor > stored || d->bytes / factor > f->size) {
    char text[KL_SHAPE_TEXT];
    return kl_fail(KL_EIO, "%s: %.300s: shape %s needs %zu bytes, %llu are stored", f->name, path,
                   kl_shape_text(&d->shape, text), d->bytes, (unsigned long long)stored);
  }
  if (layout == H5D_CONTIGUOUS && d->bytes > 0) {
    haddr_t at = H5Dget_offset(d->id);
    if (at == HADDR_UNDEF || at > f->size || d->bytes > f->size - at) {
      return kl_fail(KL_EIO, "%s: %.300s: %zu bytes expected inside the file, found at offset %lld of %zu", f->name,
                     path, d->bytes, (long long)at, f->size);
    }
    d->contiguous = true;
    d->offset = at;
    d->bytes_in_image = f->image.data == NULL ? NULL : f->image.data + at;
  }
  return KL_OK;
}

kl_status kl_h5_check_dataset(kl_h5_file *f, const char *path, kl_h5_dataset *d) {
  d->bytes_in_image = NULL;
  d->contiguous = false;
  KL_TRY(check_type(f, path, d));
  KL_TRY(check_space(f, path, d));
  hid_t list = H5Dget_create_plist(d->id);
  if (list < 0) {
    return kl_h5_fail(f->name, path);
  }
  kl_status status = check_storage(f, path, d, list);
  H5Pclose(list);
  return status;
}

kl_status kl_h5_open_dataset(kl_h5_file *f, const char *path, kl_h5_dataset *d) {
  kl_h5_kind kind;
  KL_TRY(kl_h5_open_path(f, path, &d->id, &kind));
  return kind == KL_H5_DATASET ? kl_h5_check_dataset(f, path, d)
                               : kl_fail(KL_EIO, "%s: %.300s: a dataset expected, found %s", f->name, path,
                                         kind == KL_H5_GROUP ? "a group" : "nothing there");
}

kl_status kl_h5_read_raw(kl_h5_file *f, const char *path, const kl_h5_dataset *d, void *to) {
  if (d->bytes_in_image != NULL) {
    memcpy(to, d->bytes_in_image, d->bytes);
  } else if (d->bytes > 0) {
    hid_t type = kl_h5_type_of(d->element); /* equal to the dataset's own: HDF5 has nothing to convert */
    herr_t result = H5Dread(d->id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, to);
    kl_status status = result < 0 ? kl_h5_fail(f->name, path) : KL_OK;
    H5Tclose(type);
    return status;
  }
  return KL_OK;
}

static kl_status read_dataset(kl_h5_file *f, const char *path, const kl_h5_dataset *d, kl_tensor **out) {
  char what[KL_PATH_TEXT + 304];
  KL_TRY(kl_tensor_new(kl_element_dtype(d->element), &d->shape, out));
  snprintf(what, sizeof what, "%s: %.300s", f->name, path);
  kl_status status = kl_h5_read_raw(f, path, d, kl_elements_place(*out, d->element));
  if (status == KL_OK) {
    status = kl_elements_convert(what, *out, d->element);
  }
  if (status != KL_OK) {
    kl_tensor_release(*out);
    *out = NULL;
  }
  return status;
}

kl_status kl_h5_read(kl_h5_file *f, const char *path, kl_tensor **out) {
  char *checked;
  kl_h5_dataset d = {.id = -1};
  *out = NULL;
  KL_TRY(kl_h5_enter());
  KL_TRY(kl_h5_new_path(f->name, path, &checked));
  kl_status status = kl_h5_open_dataset(f, checked, &d);
  if (status == KL_OK) {
    status = read_dataset(f, checked, &d, out);
  }
  if (d.id >= 0) {
    H5Oclose(d.id);
  }
  kl_h5_free_path(checked);
  return status;
}
