// What libpq refers to and no static library has: Kerberos (GSS-API) and LDAP look-ups of connection settings. Each answers
// that it is not available, which libpq takes as "go on without". libpq.a itself is Debian's, unchanged.
#include <stddef.h>

// GSS_S_UNAVAILABLE, a routine error. (RFC 2744, section 3.9.1)
enum { unavailable = 16 << 16 };

void *GSS_C_NT_HOSTBASED_SERVICE = NULL;

unsigned gss_acquire_cred(void) { return unavailable; }
unsigned gss_delete_sec_context(void) { return unavailable; }
unsigned gss_display_status(void) { return unavailable; }
unsigned gss_import_name(void) { return unavailable; }
unsigned gss_init_sec_context(void) { return unavailable; }
unsigned gss_release_buffer(void) { return unavailable; }
unsigned gss_release_cred(void) { return unavailable; }
unsigned gss_release_name(void) { return unavailable; }
unsigned gss_unwrap(void) { return unavailable; }
unsigned gss_wrap(void) { return unavailable; }
unsigned gss_wrap_size_limit(void) { return unavailable; }

// LDAP_UNAVAILABLE; ldap_init answers no handle, so that none of the others is reached. (RFC 4511, appendix A)
enum { ldap_unavailable = 52 };

void *ldap_init(void) { return NULL; }
int ldap_count_entries(void) { return 0; }
const char *ldap_err2string(void) { return "LDAP is not available in this program"; }
void *ldap_first_entry(void) { return NULL; }
void *ldap_get_values_len(void) { return NULL; }
int ldap_msgfree(void) { return ldap_unavailable; }
int ldap_result(void) { return -1; }
int ldap_search_st(void) { return ldap_unavailable; }
int ldap_set_option(void) { return ldap_unavailable; }
int ldap_simple_bind(void) { return -1; }
int ldap_unbind(void) { return ldap_unavailable; }
void ldap_value_free_len(void) {}
