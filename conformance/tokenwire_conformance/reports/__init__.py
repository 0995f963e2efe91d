"""Results as a person, a program and a CI server read them: one module a form."""
