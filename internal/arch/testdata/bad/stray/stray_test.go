package stray

import _ "lib.example/nowhere"
