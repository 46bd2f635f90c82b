@rem Windows has no exec, by which the scripts of package.json replace the shell that npm starts them in.
@%*
