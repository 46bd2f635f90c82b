/** The form page: after a refused submit, the summary of what is wrong is where reading goes on. */
document.getElementById('error-summary')?.focus()
