/* What a helper process tells about attributes: the values of integers and of fixed-length strings; of others, what
 * they are.  Data of variable length is not touched (F2). */
#include <stdlib.h>
#include <string.h>

#include "io/h5_helper.h"

/* Fills in what is to be said; the kind that it returns. */
static kl_h5_attribute_kind find_attribute(hid_t id, hid_t type, hid_t space, kl_h5_attribute_facts *f, char **bytes,
                                           size_t *size) {
  hsize_t count = 1;
  H5S_class_t shape = H5Sget_simple_extent_type(space);
  kl_element e;
  if (shape != H5S_SCALAR && (shape != H5S_SIMPLE || H5Sget_simple_extent_ndims(space) != 1 ||
                              H5Sget_simple_extent_dims(space, &count, NULL) < 0)) {
    return KL_H5_ATTRIBUTE_OTHER_SHAPE;
  }
  f->scalar = shape == H5S_SCALAR;
  f->count = count;
  bool is_text = H5Tget_class(type) == H5T_STRING;
  if (is_text && H5Tis_variable_str(type) != 0) {
    return KL_H5_ATTRIBUTE_VARIABLE;
  }
  if (is_text) {
    f->width = H5Tget_size(type);
    f->spaces = H5Tget_strpad(type) == H5T_STR_SPACEPAD;
  } else if (f->scalar && kl_h5_element_of(type, &e) && e.kind != KL_ELEMENT_FLOAT) {
    f->width = (uint64_t)e.size;
    f->kind = e.kind;
    f->size = (uint32_t)e.size;
    f->big = e.big;
  } else {
    return KL_H5_ATTRIBUTE_OTHER_TYPE;
  }
  hsize_t stored = H5Aget_storage_size(id);
  if (f->width == 0 || count > stored / f->width) {
    return KL_H5_ATTRIBUTE_SHORT;
  }
  *size = (size_t)(f->width * count);
  *bytes = malloc(*size + 1);
  if (*bytes == NULL || (*size > 0 && H5Aread(id, type, *bytes) < 0)) {
    *size = 0;
    return KL_H5_ATTRIBUTE_BROKEN;
  }
  return is_text ? KL_H5_ATTRIBUTE_STRINGS : KL_H5_ATTRIBUTE_INTEGER;
}

static herr_t tell_attribute(hid_t object, const char *name, const H5A_info_t *info, void *data) {
  kl_h5_helper *h = data;
  kl_h5_attribute_facts facts = {.type = KL_H5_ATTRIBUTE_BROKEN};
  char *bytes = NULL;
  size_t size = 0;
  (void)info;
  hid_t id = H5Aopen(object, name, H5P_DEFAULT);
  hid_t type = id < 0 ? -1 : H5Aget_type(id);
  hid_t space = id < 0 ? -1 : H5Aget_space(id);
  if (type >= 0 && space >= 0) {
    facts.type = find_attribute(id, type, space, &facts, &bytes, &size);
  }
  kl_h5_say_number(h, KL_H5_TAG_ATTRIBUTE);
  kl_h5_say_text(h, name, strnlen(name, KL_H5_MAX_NAME + 1));
  kl_h5_say_bytes(h, &facts, sizeof facts);
  kl_h5_say_length(h, size);
  kl_h5_say_bytes(h, bytes, size);
  free(bytes);
  if (space >= 0) {
    H5Sclose(space);
  }
  if (type >= 0) {
    H5Tclose(type);
  }
  if (id >= 0) {
    H5Aclose(id);
  }
  return 0;
}

void kl_h5_tell_attributes(kl_h5_helper *h, hid_t object) {
  if (H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, tell_attribute, h) < 0) {
    kl_h5_say_words(h, KL_H5_TAG_LOST);
  }
  H5Eclear2(H5E_DEFAULT);
}
