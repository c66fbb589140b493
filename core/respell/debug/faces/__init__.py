"""The debugger's face, in parts by what each is about; `Debugger` is all of them."""
