echo '#!/bin/sh'
echo 'echo "hello ${1:-nobody}"; [ "$1" != fail ] || exit 7'
