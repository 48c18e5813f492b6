def plant(id) {
    return id
}
