// Package pkcs11 is an hsm.Module over a device with a PKCS #11 library: SoftHSM2, a network HSM, a token on USB. It
// needs cgo and stands behind the build tag pkcs11; without it the package holds only what is pure.
//
// # What lies where
//
// Keys are objects of the device: private, sensitive, not extractable, on the token. A key token (hsm/internal/token
// draws it) holds an object's identifier and metadata under HMAC-SHA256 by a key of the device's own, which is made at
// the first start and labelled "trent token key". MACs are made by the device and compared here in constant time. A
// token that was verified once is recognised by SHA-256 of all that was verified; handles are kept, since looking one up
// takes most devices longer than using it.
//
//	object                       class            CKA_ID                       may
//	token key                    generic secret   16 bytes, the domain         sign
//	SYMMETRIC_DEFAULT            AES              identifier ‖ u32 number      encrypt, decrypt
//	HMAC                         generic secret   identifier (16 bytes)        sign, verify
//	RSA, curves                  private, public  identifier                   one of sign, decrypt, derive
//	wrapping keys for imports    private, public  identifier                   unwrap
//	counts of encryptions        data             none; label by material      –
//	keys made ahead              session objects  identifier                   whatever their spec allows, narrowed by Adopt
//
// The identifier of a material is HMAC by the token key over the object's identifier (or the public key that was
// imported) and the key id; of secrets that were imported it is made from HMAC by the secret itself, in the device. So it
// tells nothing of the material, and the same material has the same name when it is imported again for the same key.
//
// # Symmetric ciphertexts
//
// The device's AES-256-GCM, in blobs of their own version (hsm/internal/blob): same sizes, hsm.MaterialOf reads them.
// Nonces are 96 random bits of the device's. Encryptions are counted, in the device, a block at a time ahead of their
// use: a crash loses what is left of a block, and no backup of a disk turns a count back. At DefaultLimit a key is
// followed by a fresh one of the same material, whose number stands in the blob; older ones still decrypt. Imported
// material has no follower: at the limit it encrypts no more. A device without data objects gets fresh keys for each
// process, which counts them alone, and encrypts by no imported material.
//
// # What passes through this process
//
// Plaintexts and data keys, as they do in every module; also those of ReEncrypt, of DataKey without a plaintext result,
// and the private key of a data key pair, made in the device as the only kind of key that may be read. They are wiped
// here; copies that the client library made in C memory are freed without that. OAEP whose hash the device does not take
// is decoded here from its bare RSA. Encrypting to an RSA key needs nothing secret and is done here. Material that is
// imported is unwrapped in the device, twice: for a moment, to see what it is, and to stay. The PIN is asked for at each
// login and wiped.
//
// # What a device lacks
//
// Mechanisms are read at the start, and hashes of OAEP, curves and what unwrapped keys tell are tried. What is lacking is
// hsm.ErrUnsupported; ML-DSA, ML-KEM, SM2, SM4 and Ed25519ph are at all devices. Of SoftHSM2 2.6 it is OAEP with SHA-256
// when importing, and the import of HMAC_224 and Ed25519.
//
// # Sessions, loss and deletion
//
// A bounded pool of sessions; a call that gets none until its deadline is hsm.ErrBusy. A lost session or login is
// replaced and the call made again, since it had done nothing; a device that is gone gives hsm.ErrUnavailable until it
// answers again. A PIN that was refused is never tried again by itself, for devices lock. No library can be told to stop:
// a call with a deadline runs on copies, in a goroutine of its own, and whoever waits for it goes on in time.
//
// A key that is deleted for good is taken out of the device (hsm.Destroyer), but for multi-Region keys, whose copies
// share an object, and for imported material that is deleted alone, which may come again. A process that dies between
// making a key and storing its token leaves an object that nobody names. Wrapping keys are taken out when their day is
// over.
//
// # Attacks out of reach
//
// Whoever has the PIN and reaches the device can use every key in it, and destroy it, but take none out. Counts are data
// objects that the same person can delete. SoftHSM2 is a library in this process, so that its keys lie in this process's
// memory: it is for tests, and stands for a device only as far as its interface goes.
//
// Safe for concurrent use. One Module at a time: a library is a process's own.
package pkcs11
