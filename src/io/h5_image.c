/* Building the file image.  HDF5's core driver keeps the file in memory that comes from our callbacks, so the image is
 * counted by kl_alloc, made once at its expected size, and handed over without a copy.
 *
 * HDF5 cannot close a file whose memory does not grow.  So the room is reserved before it begins, and if the estimate
 * was too small and kl_alloc refuses, the file is completed in memory of the system's and thrown away. */
#include "io/h5_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"
#include "io/h5_library.h"

typedef struct image {
  kl_buffer buffer;
  bool refused; /* kl_alloc said no: `rescue` holds the bytes now */
  void *rescue;
} image;

static void *resize_image(void *block, size_t size, H5FD_file_image_op_t op, void *data) {
  image *im = data;
  (void)block;
  (void)op;
  if (!im->refused && kl_buffer_reserve(&im->buffer, size) != KL_OK) {
    im->refused = true;
    im->rescue = malloc(size);
    if (im->rescue != NULL) {
      memcpy(im->rescue, im->buffer.data, im->buffer.size);
    }
    return im->rescue;
  }
  if (im->refused) {
    void *larger = realloc(im->rescue, size);
    im->rescue = larger != NULL ? larger : im->rescue;
    return larger;
  }
  im->buffer.size = size;
  return im->buffer.data;
}

static herr_t keep_image(void *block, H5FD_file_image_op_t op, void *data) {
  (void)block;
  (void)op;
  (void)data;
  return 0; /* the buffer outlives the file */
}

static void *same_data(void *data) { return data; }

static herr_t keep_data(void *data) {
  (void)data;
  return 0;
}

/* More than the file will need: contents, headers, symbol tables. */
static kl_status estimate(const kl_h5_writer *w, size_t *out) {
  size_t total = 1 << 16;
  bool fits = true;
  for (size_t i = 0; i < kl_h5_entry_count(w); i++) {
    const kl_h5_entry *e = (const kl_h5_entry *)(void *)w->entries.data + i;
    size_t bytes = strlen(e->path) + (e->tensor == NULL ? 2048 : 640);
    if (e->tensor != NULL) {
      bytes += (size_t)kl_tensor_numel(e->tensor) * kl_dtype_size((kl_dtype)e->tensor->dtype);
    }
    fits = fits && kl_add_size(total, bytes, &total);
  }
  for (size_t i = 0; i < kl_h5_value_count(w); i++) {
    const kl_h5_value *v = (const kl_h5_value *)(void *)w->values.data + i;
    fits = fits && kl_add_size(total, 2 * v->text.size + strlen(v->name) + 512, &total);
  }
  *out = total;
  return fits ? KL_OK : kl_fail(KL_ENOMEM, "kl.save: the file would have more than 2^64 bytes");
}

/* Property lists shared by all objects of a file. */
typedef struct lists {
  hid_t access, create, group, dataset, link, attribute;
} lists;

static bool make_lists(lists *l, bool checksums, image *im) {
  H5FD_file_image_callbacks_t callbacks = {.image_realloc = resize_image,
                                           .image_free = keep_image,
                                           .udata_copy = same_data,
                                           .udata_free = keep_data,
                                           .udata = im};
  l->access = H5Pcreate(H5P_FILE_ACCESS);
  l->create = H5Pcreate(H5P_FILE_CREATE);
  l->group = H5Pcreate(H5P_GROUP_CREATE);
  l->dataset = H5Pcreate(H5P_DATASET_CREATE);
  l->link = H5Pcreate(H5P_LINK_CREATE);
  l->attribute = H5Pcreate(H5P_ATTRIBUTE_CREATE);
  return H5Pset_fapl_core(l->access, 1, 0) >= 0 && H5Pset_file_image_callbacks(l->access, &callbacks) >= 0 &&
         H5Pset_libver_bounds(l->access, checksums ? H5F_LIBVER_V110 : H5F_LIBVER_EARLIEST, H5F_LIBVER_V110) >= 0 &&
         H5Pset_fclose_degree(l->access, H5F_CLOSE_STRONG) >= 0 && H5Pset_obj_track_times(l->create, 0) >= 0 &&
         H5Pset_obj_track_times(l->group, 0) >= 0 && H5Pset_obj_track_times(l->dataset, 0) >= 0 &&
         H5Pset_layout(l->dataset, H5D_CONTIGUOUS) >= 0 && H5Pset_alloc_time(l->dataset, H5D_ALLOC_TIME_EARLY) >= 0 &&
         H5Pset_fill_time(l->dataset, H5D_FILL_TIME_NEVER) >= 0 && H5Pset_char_encoding(l->link, H5T_CSET_UTF8) >= 0 &&
         H5Pset_char_encoding(l->attribute, H5T_CSET_UTF8) >= 0;
}

static void close_lists(const lists *l) {
  const hid_t ids[] = {l->access, l->create, l->group, l->dataset, l->link, l->attribute};
  for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
    if (ids[i] >= 0) {
      H5Pclose(ids[i]);
    }
  }
}

kl_status kl_h5_tensor_bytes(const kl_tensor *t, kl_buffer *scratch, const void **out) {
  *out = kl_tensor_data(t);
  if (!kl_tensor_is_contiguous(t)) {
    KL_TRY(kl_buffer_reserve(scratch, (size_t)kl_tensor_numel(t) * kl_dtype_size((kl_dtype)t->dtype)));
    kl_tensor_copy_out(t, scratch->data);
    *out = scratch->data;
  }
  return KL_OK;
}

static kl_status write_dataset(hid_t file, const lists *l, bool bools, const kl_h5_entry *e) {
  kl_buffer scratch = {0};
  const void *bytes;
  KL_TRY(kl_h5_tensor_bytes(e->tensor, &scratch, &bytes));
  hsize_t dims[KL_MAX_NDIM];
  const kl_shape *shape = &e->tensor->shape;
  for (int i = 0; i < shape->ndim; i++) {
    dims[i] = (hsize_t)shape->dim[i];
  }
  kl_element element = kl_element_of((kl_dtype)e->tensor->dtype);
  if (bools && e->tensor->dtype == KL_BOOL) {
    element.kind = KL_ELEMENT_BOOL;
  }
  hid_t type = kl_h5_type_of(element);
  hid_t space = shape->ndim == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(shape->ndim, dims, NULL);
  hid_t set = H5Dcreate2(file, e->path, type, space, l->link, l->dataset, H5P_DEFAULT);
  kl_status status = KL_OK;
  if (set < 0 || H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) < 0) {
    status = kl_h5_fail("kl.save", e->path);
  }
  if (set >= 0 && H5Dclose(set) < 0 && status == KL_OK) {
    status = kl_h5_fail("kl.save", e->path);
  }
  H5Sclose(space);
  H5Tclose(type);
  kl_buffer_release(&scratch);
  return status;
}

static kl_status write_group(hid_t file, const lists *l, const kl_h5_entry *e) {
  hid_t group = H5Gcreate2(file, e->path, l->link, l->group, H5P_DEFAULT);
  return group < 0 || H5Gclose(group) < 0 ? kl_h5_fail("kl.save", e->path) : KL_OK;
}

static hid_t string_type(const kl_h5_value *v) {
  bool ascii = true;
  for (size_t i = 0; i < v->text.size; i++) {
    ascii = ascii && (unsigned char)v->text.data[i] < 0x80;
  }
  hid_t type = H5Tcopy(H5T_C_S1);
  if (type >= 0 && (H5Tset_size(type, v->width) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
                    H5Tset_cset(type, ascii ? H5T_CSET_ASCII : H5T_CSET_UTF8) < 0)) {
    H5Tclose(type);
    return -1;
  }
  return type;
}

static kl_status write_value(hid_t file, const lists *l, const kl_h5_value *v) {
  hsize_t count = v->count;
  hid_t type = v->kind == KL_H5_INTEGER ? H5Tcopy(H5T_STD_I64LE) : string_type(v);
  hid_t space = v->kind == KL_H5_STRINGS ? H5Screate_simple(1, &count, NULL) : H5Screate(H5S_SCALAR);
  hid_t object = H5Oopen(file, v->path, H5P_DEFAULT);
  hid_t attribute = H5Acreate2(object, v->name, type, space, l->attribute, H5P_DEFAULT);
  kl_status status = KL_OK;
  const void *data = v->kind == KL_H5_INTEGER ? (const void *)&v->integer : v->text.data;
  if (attribute < 0 || H5Awrite(attribute, type, data) < 0) {
    char what[400];
    snprintf(what, sizeof what, "attribute '%.100s' of %.250s", v->name, v->path);
    status = kl_h5_fail("kl.save", what);
  }
  if (attribute >= 0 && H5Aclose(attribute) < 0 && status == KL_OK) {
    status = kl_h5_fail("kl.save", v->path);
  }
  H5Oclose(object);
  H5Sclose(space);
  H5Tclose(type);
  return status;
}

static kl_status write_all(const kl_h5_writer *w, hid_t file, const lists *l, bool bools) {
  for (size_t i = 0; i < kl_h5_entry_count(w); i++) {
    const kl_h5_entry *e = (const kl_h5_entry *)(void *)w->entries.data + i;
    KL_TRY(e->tensor == NULL ? write_group(file, l, e) : write_dataset(file, l, bools, e));
  }
  for (size_t i = 0; i < kl_h5_value_count(w); i++) {
    KL_TRY(write_value(file, l, (const kl_h5_value *)(void *)w->values.data + i));
  }
  return KL_OK;
}

static bool has_large_value(const kl_h5_writer *w) {
  for (size_t i = 0; i < kl_h5_value_count(w); i++) {
    if (((const kl_h5_value *)(void *)w->values.data + i)->text.size > KL_H5_MAX_ATTRIBUTE) {
      return true;
    }
  }
  return false;
}

/* Ends the image where its superblock says: closing gives back room that the flush had given, and the core driver does
 * not cut its memory then. */
static kl_status cut_image(kl_buffer *b) {
  size_t at = b->size > 48 && b->data[8] < 2 ? 40 : 28; /* of the end-of-file address in versions 0, 1 and 2, 3 */
  uint64_t declared = 0;
  if (b->size > 48) {
    memcpy(&declared, b->data + at, sizeof declared);
  }
  if (declared < 48 || declared > b->size) {
    return kl_fail(KL_EIO, "kl.save: the file in memory has %zu bytes, its superblock declares %llu", b->size,
                   (unsigned long long)declared);
  }
  b->size = (size_t)declared;
  return KL_OK;
}

kl_status kl_h5_build_image(const kl_h5_writer *w, bool checksums, bool bools, kl_buffer *out) {
  image im = {0};
  size_t room;
  char name[KL_H5_IMAGE_NAME];
  KL_TRY(kl_h5_enter());
  KL_TRY(estimate(w, &room));
  KL_TRY(kl_buffer_reserve(&im.buffer, room));
  kl_h5_image_name(name);
  lists l;
  kl_status status = KL_OK;
  hid_t file = -1;
  if (make_lists(&l, checksums || has_large_value(w), &im)) {
    file = H5Fcreate(name, H5F_ACC_TRUNC, l.create, l.access);
  }
  if (file < 0) {
    status = kl_h5_fail("kl.save", "the file in memory");
  }
  if (status == KL_OK) {
    status = write_all(w, file, &l, bools);
  }
  /* the flush also gives the file its final length: what is allocated and not written, too */
  if (status == KL_OK && H5Fflush(file, H5F_SCOPE_GLOBAL) < 0) {
    status = kl_h5_fail("kl.save", "flush");
  }
  if (file >= 0 && H5Fclose(file) < 0 && status == KL_OK) {
    status = kl_h5_fail("kl.save", "close");
  }
  close_lists(&l);
  if (im.refused) {
    free(im.rescue);
    status = kl_fail(KL_ENOMEM, "out of memory: a file of more than %zu bytes is built in memory before it is saved",
                     im.buffer.capacity);
  }
  if (status == KL_OK) {
    status = cut_image(&im.buffer);
  }
  if (status != KL_OK) {
    kl_buffer_release(&im.buffer);
    return status;
  }
  *out = im.buffer;
  return KL_OK;
}
