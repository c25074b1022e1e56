echo "query $1"
