module good.example
