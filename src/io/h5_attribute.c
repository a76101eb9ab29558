/* Reading an attribute that a caller has asked for by name: integers and fixed-length strings, nothing else. */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "io/h5_internal.h"

/* What the messages begin with. */
typedef struct place {
  char text[KL_PATH_TEXT + 600];
} place;

static kl_status fail(const place *p, const char *expected, const char *found) {
  return kl_fail(KL_EIO, "%s: %s expected, found %s", p->text, expected, found);
}

static kl_status read_integer(const place *p, hid_t id, hid_t type, kl_element e, kl_h5_attribute *out) {
  unsigned char bytes[8];
  kl_tensor *t;
  kl_shape scalar = kl_shape_scalar();
  if (H5Aread(id, type, bytes) < 0) {
    return kl_h5_fail(p->text, "its value");
  }
  KL_TRY(kl_tensor_new(kl_element_dtype(e), &scalar, &t));
  memcpy(kl_elements_place(t, e), bytes, (size_t)e.size);
  kl_status status = kl_elements_convert(p->text, t, e);
  out->is_integer = true;
  out->integer = status == KL_OK ? kl_tensor_get_int(t, 0) : 0;
  kl_tensor_release(t);
  return status;
}

static kl_status read_strings(const place *p, hid_t id, hid_t type, size_t count, kl_h5_attribute *out) {
  size_t bytes;
  if (H5Tis_variable_str(type) != 0) {
    return fail(p, "strings of fixed length", "strings of variable length, which kl does not read");
  }
  out->width = H5Tget_size(type);
  out->count = count;
  out->padding = H5Tget_strpad(type) == H5T_STR_SPACEPAD ? ' ' : '\0';
  if (out->width == 0 || !kl_mul_size(out->width, count, &bytes) || bytes > H5Aget_storage_size(id)) {
    return fail(p, "as many bytes as are declared", "fewer");
  }
  KL_TRY(kl_buffer_reserve(&out->text, bytes));
  out->text.size = bytes;
  return bytes == 0 || H5Aread(id, type, out->text.data) >= 0 ? KL_OK : kl_h5_fail(p->text, "its value");
}

static kl_status read_value(const kl_h5_file *f, const place *p, hid_t id, hid_t type, hid_t space,
                            kl_h5_attribute *out) {
  hsize_t count = 1;
  H5S_class_t shape = H5Sget_simple_extent_type(space);
  if (shape != H5S_SCALAR && (shape != H5S_SIMPLE || H5Sget_simple_extent_ndims(space) != 1 ||
                              H5Sget_simple_extent_dims(space, &count, NULL) < 0 || count > f->image.size)) {
    return fail(p, "one value or a list", "another shape");
  }
  out->is_scalar = shape == H5S_SCALAR;
  kl_element e;
  if (H5Tget_class(type) == H5T_STRING) {
    return read_strings(p, id, type, (size_t)count, out);
  }
  if (!out->is_scalar || !kl_h5_element_of(type, &e) || e.kind == KL_ELEMENT_FLOAT) {
    return fail(p, "strings of fixed length or one integer", "another type");
  }
  return read_integer(p, id, type, e, out);
}

static kl_status read_attribute(kl_h5_file *f, hid_t object, const char *name, const place *p, kl_h5_attribute *out) {
  htri_t exists = H5Aexists(object, name);
  if (exists <= 0) {
    return exists == 0 ? KL_OK : kl_h5_fail(p->text, "look-up");
  }
  out->exists = true;
  hid_t id = H5Aopen(object, name, H5P_DEFAULT);
  hid_t type = id < 0 ? -1 : H5Aget_type(id);
  hid_t space = id < 0 ? -1 : H5Aget_space(id);
  kl_status status = type < 0 || space < 0 ? kl_h5_fail(p->text, "opening it") : read_value(f, p, id, type, space, out);
  if (space >= 0) {
    H5Sclose(space);
  }
  if (type >= 0) {
    H5Tclose(type);
  }
  if (id >= 0) {
    H5Aclose(id);
  }
  return status;
}

kl_status kl_h5_read_attribute(kl_h5_file *f, const char *path, const char *name, kl_h5_attribute *out) {
  char *checked;
  hid_t id = -1;
  kl_h5_kind kind;
  place p;
  *out = (kl_h5_attribute){0};
  KL_TRY(kl_h5_enter());
  KL_TRY(kl_h5_new_path(f->name, path, &checked));
  snprintf(p.text, sizeof p.text, "%s: attribute '%.200s' of %.300s", f->name, name, checked);
  kl_status status = kl_h5_open_path(f, checked, &id, &kind);
  if (status == KL_OK) {
    status = kind == KL_H5_NOTHING ? kl_fail(KL_EIO, "%s: there is no such group or dataset", p.text)
                                   : read_attribute(f, id, name, &p, out);
  }
  if (id >= 0) {
    H5Oclose(id);
  }
  kl_h5_free_path(checked);
  if (status != KL_OK) {
    kl_buffer_release(&out->text);
  }
  return status;
}

kl_h5_string kl_h5_attribute_string(const kl_h5_attribute *a, size_t i) {
  kl_h5_string s = {a->text.data + i * a->width, a->width};
  if (a->padding == '\0') {
    s.size = strnlen(s.text, a->width);
  } else {
    while (s.size > 0 && s.text[s.size - 1] == a->padding) {
      s.size--;
    }
  }
  return s;
}
