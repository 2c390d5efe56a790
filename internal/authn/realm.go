package authn

// defaultRealm is the protection space of methods that have no realm of their
// own, the word that Caddy's basic_auth uses.
const defaultRealm = "restricted"
