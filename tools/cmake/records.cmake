# One helper per kind of target; everything a target needs comes from here.
#
#   records_proto_library(NAME x PROTOS a.proto b.proto [GRPC] DEPS y)   generated code of one proto package;
#     [ROOT folder] holds the files when it is not proto/
#   records_cc_library(NAME x SRCS a.cc HDRS a.h DEPS y)                 a library, used as records::x
#   records_cc_binary(NAME x SRCS main.cc DEPS y)                        a program
#   records_cc_test(NAME x_test SRCS x_test.cc DEPS y LABELS unit)       a GoogleTest program, run by ctest
#   records_fuzz_target(NAME fuzz_x SRCS fuzz_x.cc DEPS y)               a fuzz target; else the replay of its corpus
#   records_script_test(NAME x COMMAND tools/x --flag LABELS lint)       a script of this tree, run by ctest
#
# DEPS name other records targets without the prefix, or any imported target (absl::strings).

option(RECORDS_BUILD_TESTS "Build the tests" ON)
option(RECORDS_PRECOMPILED_HEADERS "Compile the usual headers once; OFF shows that each file stands alone" ON)
option(RECORDS_PLANTED_BUGS "Compile the deliberate bugs in, for the tests that must catch them; never ships" OFF)
set(RECORDS_SANITIZE "" CACHE STRING "Sanitizers for our own code: 'address,undefined' or 'thread'")
option(RECORDS_FUZZ "Fuzz targets under libFuzzer (needs clang); else they replay their corpus" OFF)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)

find_program(RECORDS_CCACHE ccache)
if(RECORDS_CCACHE)
  # ccache may only reuse a precompiled header when told that the two macros below do not matter.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${RECORDS_CCACHE})
endif()
find_program(RECORDS_MOLD mold)

find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(RocksDB CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(cjose REQUIRED IMPORTED_TARGET cjose)
if(RECORDS_BUILD_TESTS)
  find_package(GTest CONFIG REQUIRED)
endif()

# What every target of ours is compiled with.
add_library(records_options INTERFACE)
target_include_directories(records_options INTERFACE ${PROJECT_SOURCE_DIR})
# For eventstore/planted_bug.h only. It lies with the generated code, so that no command line differs between presets.
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/proto_gen/records_planted_bugs.h
  CONTENT "#cmakedefine01 RECORDS_PLANTED_BUGS\n")
target_compile_options(records_options INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wnon-virtual-dtor -Woverloaded-virtual $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local>
  -Wno-missing-field-initializers -fno-omit-frame-pointer -pthread $<$<CXX_COMPILER_ID:GNU>:-Wno-error=invalid-pch>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees these where they are not, in std::string of its own library (GCC bugs 105329, 105651).
  target_compile_options(records_options INTERFACE
    -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
endif()
if(RECORDS_MOLD)
  target_link_options(records_options INTERFACE -fuse-ld=mold)
endif()
if(RECORDS_SANITIZE)
  target_compile_options(records_options INTERFACE -fsanitize=${RECORDS_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(records_options INTERFACE -fsanitize=${RECORDS_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 warns about its own sanitizer instrumentation here.
    target_compile_options(records_options INTERFACE -Wno-maybe-uninitialized -Wno-tsan)
  endif()
endif()
if(RECORDS_FUZZ)
  # Every edge of our own code is counted, so that the fuzzer sees where an input leads.
  target_compile_options(records_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Headers of others that most files read, compiled once: position independent for libraries, with GoogleTest for tests.
# No header of ours is among them: a change of it would rebuild everything.
if(RECORDS_PRECOMPILED_HEADERS)
  set(common_headers <algorithm> <functional> <map> <memory> <optional> <string> <utility> <vector>
    <absl/container/flat_hash_map.h> <absl/status/statusor.h> <absl/strings/str_cat.h> <absl/synchronization/mutex.h>
    <absl/time/time.h> <absl/types/span.h> <google/protobuf/message.h>)
  file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/empty.cc CONTENT "")
  add_library(records_library_headers OBJECT ${PROJECT_BINARY_DIR}/empty.cc)
  target_link_libraries(records_library_headers PRIVATE records_options protobuf::libprotobuf)
  target_precompile_headers(records_library_headers PRIVATE ${common_headers})
  add_library(records_test_headers OBJECT ${PROJECT_BINARY_DIR}/empty.cc)
  set_target_properties(records_test_headers PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(records_test_headers PRIVATE -fPIE)
  target_link_libraries(records_test_headers PRIVATE records_options protobuf::libprotobuf GTest::gmock)
  target_precompile_headers(records_test_headers PRIVATE ${common_headers} <gmock/gmock.h> <gtest/gtest.h>)
endif()
function(_records_use_headers target from)
  if(RECORDS_PRECOMPILED_HEADERS)
    target_precompile_headers(${target} REUSE_FROM ${from})
  endif()
endfunction()

# Turns DEPS into link names: one of ours by its alias, anything else as it is.
function(_records_resolve out)
  set(result)
  foreach(dep IN LISTS ARGN)
    if(dep MATCHES "::" OR dep MATCHES "^-")
      list(APPEND result ${dep})
    else()
      list(APPEND result records::${dep})
    endif()
  endforeach()
  set(${out} ${result} PARENT_SCOPE)
endfunction()

function(records_cc_library)
  cmake_parse_arguments(arg "" "NAME" "SRCS;HDRS;DEPS" ${ARGN})
  _records_resolve(deps ${arg_DEPS})
  if(arg_SRCS)
    add_library(records_${arg_NAME} STATIC ${arg_SRCS} ${arg_HDRS})
    target_link_libraries(records_${arg_NAME} PUBLIC records_options ${deps})
    _records_use_headers(records_${arg_NAME} records_library_headers)
  else()
    add_library(records_${arg_NAME} INTERFACE)
    target_link_libraries(records_${arg_NAME} INTERFACE records_options ${deps})
  endif()
  add_library(records::${arg_NAME} ALIAS records_${arg_NAME})
endfunction()

function(records_cc_binary)
  cmake_parse_arguments(arg "" "NAME" "SRCS;DEPS" ${ARGN})
  _records_resolve(deps ${arg_DEPS})
  add_executable(${arg_NAME} ${arg_SRCS})
  target_link_libraries(${arg_NAME} PRIVATE records_options ${deps})
  set_target_properties(${arg_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()

# Labels of tests. For each there is a target tests_<label> that builds the tests so labelled and no other.
#   unit (default)  one library, fakes at its ports        fault    what breaks: crashes, flipped bytes, full disks
#   system          drives real processes                  threads  our own threads, also run under ThreadSanitizer
#   slow            only in tools/test --full              lint     checks of the tree itself
#   kafka           starts a real broker: two such tests at a time, beside others
set(RECORDS_TEST_LABELS unit fault system threads slow lint kafka)
if(RECORDS_BUILD_TESTS)
  foreach(label IN LISTS RECORDS_TEST_LABELS)
    add_custom_target(tests_${label})
  endforeach()
endif()

function(_records_apply_labels name)
  foreach(label IN LISTS ARGN)
    if(NOT label IN_LIST RECORDS_TEST_LABELS)
      message(FATAL_ERROR "${name} has the unknown label ${label}; known: ${RECORDS_TEST_LABELS}")
    endif()
  endforeach()
  set_tests_properties(${name} PROPERTIES LABELS "${ARGN}")
  if("kafka" IN_LIST ARGN)
    # By turns one of two locks.
    get_property(tests GLOBAL PROPERTY RECORDS_BROKER_TESTS)
    list(LENGTH tests count)
    math(EXPR lock "${count} % 2")
    set_property(GLOBAL APPEND PROPERTY RECORDS_BROKER_TESTS ${name})
    set_tests_properties(${name} PROPERTIES RESOURCE_LOCK "broker${lock}")
  endif()
endfunction()

function(records_cc_test)
  cmake_parse_arguments(arg "" "NAME;TIMEOUT" "SRCS;DEPS;LABELS" ${ARGN})
  _records_resolve(deps ${arg_DEPS})
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_executable(${arg_NAME} ${arg_SRCS})
  target_link_libraries(${arg_NAME} PRIVATE records_options ${deps} GTest::gmock GTest::gtest_main)
  _records_use_headers(${arg_NAME} records_test_headers)
  if(RECORDS_SANITIZE STREQUAL "thread")
    target_link_libraries(${arg_NAME} PRIVATE records_tsan_annotations)
  endif()
  add_test(NAME ${arg_NAME} COMMAND ${arg_NAME} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${arg_NAME} PROPERTIES TIMEOUT ${arg_TIMEOUT})
  _records_apply_labels(${arg_NAME} ${arg_LABELS})
  foreach(label IN LISTS arg_LABELS)
    add_dependencies(tests_${label} ${arg_NAME})
  endforeach()
endfunction()

# A target of tests/fuzz and its corpus, tests/fuzz/corpus/<name without fuzz_>. In the preset fuzz it is a program of
# libFuzzer; else a test that replays the corpus. SRCS define records::fuzz::TestOne() and WriteSeeds().
if(RECORDS_FUZZ)
  add_custom_target(fuzz_targets)
endif()
function(records_fuzz_target)
  cmake_parse_arguments(arg "" "NAME" "SRCS;DEPS" ${ARGN})
  if(RECORDS_FUZZ)
    records_cc_binary(NAME ${arg_NAME} SRCS ${arg_SRCS} DEPS fuzz_target ${arg_DEPS})
    target_compile_definitions(${arg_NAME} PRIVATE RECORDS_FUZZ)
    target_link_options(${arg_NAME} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzz_targets ${arg_NAME})
    return()
  endif()
  _records_resolve(deps fuzz_target ${arg_DEPS})
  string(REGEX REPLACE "^fuzz_" "" corpus ${arg_NAME})
  set(test ${arg_NAME}_replay)
  add_executable(${test} ${arg_SRCS} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
  target_link_libraries(${test} PRIVATE records_options ${deps} GTest::gmock)
  _records_use_headers(${test} records_test_headers)
  add_test(NAME ${test} COMMAND ${test} tests/fuzz/corpus/${corpus} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${test} PROPERTIES LABELS unit TIMEOUT 300)
  add_dependencies(tests_unit ${test})
endfunction()

# COMMAND is run from the top of the tree. BINARIES are the programs it drives, built with its label's target and told
# to it in the environment as RECORDS_BIN, the folder they are in.
function(records_script_test)
  cmake_parse_arguments(arg "" "NAME;TIMEOUT" "COMMAND;BINARIES;LABELS" ${ARGN})
  if(NOT arg_LABELS)
    message(FATAL_ERROR "${arg_NAME} needs LABELS")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 900)
  endif()
  add_test(NAME ${arg_NAME} COMMAND ${arg_COMMAND} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${arg_NAME} PROPERTIES TIMEOUT ${arg_TIMEOUT}
    ENVIRONMENT "RECORDS_BIN=${PROJECT_BINARY_DIR}/bin")
  _records_apply_labels(${arg_NAME} ${arg_LABELS})
  if(arg_BINARIES)
    foreach(label IN LISTS arg_LABELS)
      add_dependencies(tests_${label} ${arg_BINARIES})
    endforeach()
  endif()
endfunction()

# Generated code is not ours to warn about, and -O1 keeps the build short.
function(records_proto_library)
  cmake_parse_arguments(arg "GRPC" "NAME;ROOT" "PROTOS;DEPS" ${ARGN})
  _records_resolve(deps ${arg_DEPS})
  set(proto_root ${PROJECT_SOURCE_DIR}/proto)
  set(includes -I ${proto_root})
  if(arg_ROOT)
    set(proto_root ${arg_ROOT})
    list(PREPEND includes -I ${proto_root})
  endif()
  set(out ${PROJECT_BINARY_DIR}/proto_gen)
  file(MAKE_DIRECTORY ${out})
  set(sources)
  foreach(proto IN LISTS arg_PROTOS)
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(outputs ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
    set(command protobuf::protoc ${includes} --cpp_out=${out})
    if(arg_GRPC)
      list(APPEND outputs ${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h)
      list(APPEND command --grpc_out=${out} --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>)
    endif()
    add_custom_command(OUTPUT ${outputs} COMMAND ${command} ${proto_root}/${proto}
      DEPENDS ${proto_root}/${proto} VERBATIM COMMENT "protoc ${proto}")
    list(APPEND sources ${outputs})
  endforeach()
  add_library(records_${arg_NAME} STATIC ${sources})
  target_include_directories(records_${arg_NAME} SYSTEM PUBLIC ${out})
  target_compile_options(records_${arg_NAME} PRIVATE -w $<$<CONFIG:Debug,RelWithDebInfo>:-O1>)
  target_link_libraries(records_${arg_NAME} PUBLIC protobuf::libprotobuf ${deps})
  if(arg_GRPC)
    target_link_libraries(records_${arg_NAME} PUBLIC gRPC::grpc++)
  endif()
  add_library(records::${arg_NAME} ALIAS records_${arg_NAME})
endfunction()
