// Reads a chosen picture into the form's own field: no form of ours sends a file.
document.addEventListener("change", (event) => {
    const field = document.getElementById(event.target.dataset?.readsInto || "");
    const [file] = event.target.files || [];
    if (field && file) {
        const reader = new FileReader();
        reader.addEventListener("load", () => { field.value = reader.result; });
        reader.readAsDataURL(file);
    }
});
