package main

import "trent/fastpath/model"

// emitOperations writes the operations and what belongs to them.
func emitOperations(p *plan, out *printer) error {
	out.f("// Operations, in the model's order. OperationNone is no operation.\nconst (\nOperationNone Operation = iota\n")
	for _, o := range p.operations {
		out.f("Operation%s\n", o.Name)
	}
	out.f("\n// NumOperations is one more than the last operation.\nNumOperations\n)\n\n")
	out.f("// operationNames are the operations' names as in X-Amz-Target.\nvar operationNames = [NumOperations]string{\n")
	for _, o := range p.operations {
		out.f("Operation%s: %q,\n", o.Name, o.Name)
	}
	out.f("}\n\n// targetPrefix stands before the operation's name in X-Amz-Target.\nconst targetPrefix = %q\n\n", model.TargetPrefix()+".")
	out.f("// lookupName finds an operation by its name.\nfunc lookupName(name []byte) (Operation, bool) {\nswitch string(name) {\n")
	for _, o := range p.operations {
		out.f("case %q:\nreturn Operation%s, true\n", o.Name, o.Name)
	}
	out.f("}\nreturn OperationNone, false\n}\n\n")
	out.f("// NewRequest returns a fresh request of an operation, or nil if there is no such operation. Callers pool it.\n")
	out.f("func NewRequest(op Operation) Request {\nswitch op {\n")
	for _, s := range p.requests {
		out.f("case Operation%s:\nreturn new(%s)\n", s.operation, s.goType)
	}
	out.f("}\nreturn nil\n}\n\n")
	out.f("// HasOutput tells whether an operation answers with a body; the others succeed with an empty one.\n")
	out.f("func HasOutput(op Operation) bool {\nswitch op {\ncase OperationNone")
	for _, o := range p.operations {
		if o.Output == "" {
			out.f(",\nOperation%s", o.Name)
		}
	}
	out.f(":\nreturn false\n}\nreturn op < NumOperations\n}\n")
	return nil
}

// emitErrors writes the table of errors.
func emitErrors(_ *plan, out *printer) error {
	out.f("// Codes of errors: those of the model, then the common ones. The zero Code is no error.\nconst (\n_ Code = iota\n")
	errors := model.Errors()
	for _, e := range errors {
		out.f("Code%s\n", e.Name)
	}
	out.f("\nnumCodes\n)\n\n// codes is the one table of errors.\nvar codes = [numCodes]codeInfo{\n")
	for _, e := range errors {
		out.f("Code%s: {name: %q, status: %d", e.Name, e.Name, e.Status)
		for _, flag := range []struct {
			name string
			set  bool
		}{{"retryable", e.Retryable}, {"capital", e.Capital}, {"textless", e.Textless}} {
			if flag.set {
				out.f(", %s: true", flag.name)
			}
		}
		out.f("},\n")
	}
	out.f("}\n\n// LookupCode finds a code by the exception's name.\nfunc LookupCode(name string) (Code, bool) {\nswitch name {\n")
	for _, e := range errors {
		out.f("case %q:\nreturn Code%s, true\n", e.Name, e.Name)
	}
	out.f("}\nreturn 0, false\n}\n")
	return nil
}
