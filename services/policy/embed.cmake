# Writes OUTPUT, which defines the constants of embedded.h from the files in FOLDER. Run by the build.
set(code "#include \"services/policy/embedded.h\"\n\nnamespace records::services::internal {\n")
foreach(kind Categories Roles Purposes)
  string(TOLOWER ${kind} stem)
  file(READ ${FOLDER}/${stem}.textproto text)
  string(APPEND code "\nconst char kEmbedded${kind}[] = R\"register(${text})register\";\n")
endforeach()
string(APPEND code "\n}  // namespace records::services::internal\n")
file(WRITE ${OUTPUT} "${code}")
