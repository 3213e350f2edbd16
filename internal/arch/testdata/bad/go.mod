module bad.example
