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

static kl_status read_integer(const place *p, const kl_h5_named *a, kl_h5_attribute *out) {
  const kl_h5_attribute_facts *facts = &a->facts;
  bool is_signed = facts->kind == KL_ELEMENT_SIGNED;
  kl_element e = {is_signed ? KL_ELEMENT_SIGNED : KL_ELEMENT_UNSIGNED, (int)facts->size, facts->big != 0};
  kl_tensor *t;
  kl_shape scalar = kl_shape_scalar();
  if ((e.size != 1 && e.size != 2 && e.size != 4 && e.size != 8) || a->size != (size_t)e.size) {
    return fail(p, "as many bytes as are declared", "others");
  }
  KL_TRY(kl_tensor_new(kl_element_dtype(e), &scalar, &t));
  memcpy(kl_elements_place(t, e), a->bytes, a->size);
  kl_status status = kl_elements_convert(p->text, t, e);
  out->is_integer = true;
  out->integer = status == KL_OK ? kl_tensor_get_int(t, 0) : 0;
  kl_tensor_release(t);
  return status;
}

static kl_status read_strings(const place *p, const kl_h5_named *a, kl_h5_attribute *out) {
  size_t bytes;
  out->width = a->facts.width;
  out->count = a->facts.count;
  out->padding = a->facts.spaces != 0 ? ' ' : '\0';
  if (out->width == 0 || out->count > INT32_MAX || !kl_mul_size(out->width, out->count, &bytes) || bytes != a->size ||
      (out->is_scalar && out->count != 1)) {
    return fail(p, "as many bytes as are declared", "others");
  }
  return kl_buffer_append(&out->text, a->bytes, a->size);
}

static kl_status read_value(const place *p, const kl_h5_named *a, kl_h5_attribute *out) {
  out->exists = true;
  out->is_scalar = a->facts.scalar != 0;
  switch (a->facts.type) {
    case KL_H5_ATTRIBUTE_INTEGER:
      return read_integer(p, a, out);
    case KL_H5_ATTRIBUTE_STRINGS:
      return read_strings(p, a, out);
    case KL_H5_ATTRIBUTE_VARIABLE:
      return fail(p, "strings of fixed length", "strings of variable length, which kl does not read");
    case KL_H5_ATTRIBUTE_OTHER_SHAPE:
      return fail(p, "one value or a list", "another shape");
    case KL_H5_ATTRIBUTE_SHORT:
      return fail(p, "as many bytes as are declared", "fewer");
    case KL_H5_ATTRIBUTE_BROKEN:
      return kl_fail(KL_EIO, "%s: HDF5 cannot read it", p->text);
    default:
      return fail(p, "strings of fixed length or one integer", "another type");
  }
}

/* Has a helper look at the attributes, unless one has. */
static kl_status need_attributes(kl_h5_file *f) {
  kl_h5_source source = kl_h5_source_of(f);
  kl_h5_toc toc;
  if (f->toc.has_attributes) {
    return KL_OK;
  }
  source.attributes = true;
  KL_TRY(kl_h5_toc_make(&source, &toc));
  kl_h5_toc_release(&f->toc);
  f->toc = toc;
  return KL_OK;
}

kl_status kl_h5_read_attribute(kl_h5_file *f, const char *path, const char *name, kl_h5_attribute *out) {
  char *checked;
  const kl_h5_object *o = NULL;
  place p;
  *out = (kl_h5_attribute){0};
  KL_TRY(kl_h5_new_path(f->name, path, &checked));
  snprintf(p.text, sizeof p.text, "%s: attribute '%.200s' of %.300s", f->name, name, checked);
  kl_status status = need_attributes(f);
  if (status == KL_OK) {
    status = kl_h5_find_object(f, checked, &o);
  }
  kl_h5_free_path(checked);
  if (status == KL_OK && o == NULL) {
    status = kl_fail(KL_EIO, "%s: there is no such group or dataset", p.text);
  }
  const kl_h5_named *a = status == KL_OK ? kl_h5_toc_attribute(&f->toc, o, name) : NULL;
  if (status == KL_OK && a == NULL && o->lost != NULL) {
    status = kl_fail(KL_EIO, "%s: look-up: HDF5: %.300s", p.text, o->lost);
  }
  if (a != NULL) {
    status = read_value(&p, a, out);
  }
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
