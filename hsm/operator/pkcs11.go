package operator

// PKCS11 says where a signing key is: in a token, which the key never leaves.
type PKCS11 struct {
	Library string                 // path of the token's PKCS #11 library
	Token   string                 // its label; "": the only one there is
	Label   string                 // of the key pair, on P-384
	PIN     func() ([]byte, error) // asked once; what it gives is wiped
}
