// Package model is the API as data: the operations, shapes, constraints and errors of the key service's
// public API model (version 2014-11-01), and an overlay of what the real service adds to that model.
//
// kms.json holds the model's facts without its prose. overlay.json holds constraints that the model lacks
// (key ids must be ASCII), the enum lists as the service prints them in validation errors, and the errors
// that every operation can answer although the model names none of them. Marks in the overlay: "measured"
// and "recorded" are the service's own answers, "chosen" is where it is silent.
//
// The package is not a codec: package wire is generated from it. Everything is parsed once, on first use,
// and is read-only afterwards; callers must not change what they are given. It owns no goroutines and is
// safe for concurrent use.
package model
