# One step of the consumer tests; the variables are those that CMakeLists.txt passes.
cmake_minimum_required(VERSION 3.25)
set(prefix "${WORK}/prefix")
set(ENV{CXX} "${COMPILER}")

macro(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endmacro()

# Configures the project of that name in this folder; what is built before is forgotten.
set(work "${WORK}/${STEP}")
file(REMOVE_RECURSE "${work}")
set(configure "${CMAKE_COMMAND}" -G "${GENERATOR}" "-DCMAKE_MAKE_PROGRAM=${MAKE}" -B "${work}"
  "-DMAIN=${MAIN}" "-DCMAKE_PREFIX_PATH=${prefix}" "-DSHARDPLAN_SOURCE_DIR=${SOURCE}")

if(STEP STREQUAL "install")
  file(REMOVE_RECURSE "${prefix}")
  run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${prefix}")
  if(EXISTS "${prefix}/bin/shardplan")
    execute_process(COMMAND "${prefix}/bin/shardplan" --version OUTPUT_VARIABLE answer COMMAND_ERROR_IS_FATAL ANY)
    string(FIND "${answer}" "${VERSION}" at)
    if(at EQUAL -1)
      message(FATAL_ERROR "bin/shardplan --version says '${answer}', not ${VERSION}")
    endif()
  endif()

elseif(STEP STREQUAL "find_package" OR STEP STREQUAL "add_subdirectory")
  run(${configure} -S "${CMAKE_CURRENT_LIST_DIR}/${STEP}" "-DCOMPONENTS=${COMPONENTS}")
  run("${CMAKE_COMMAND}" --build "${work}")
  run("${work}/app")
  foreach(component IN LISTS COMPONENTS)
    run("${work}/app_with_${component}")
  endforeach()

elseif(STEP STREQUAL "missing_component")
  execute_process(COMMAND ${configure} -S "${CMAKE_CURRENT_LIST_DIR}/find_package" -DCOMPONENTS=warp
    RESULT_VARIABLE status ERROR_VARIABLE answer OUTPUT_QUIET)
  if(status EQUAL 0 OR NOT answer MATCHES "no component 'warp' here; installed are: ")
    message(FATAL_ERROR "asked for the component 'warp', CMake answered (${status}):\n${answer}")
  endif()

elseif(STEP STREQUAL "plain" OR STEP STREQUAL "pkg_config")
  set(build "${CMAKE_CURRENT_LIST_DIR}/${STEP}/build.sh")
  file(MAKE_DIRECTORY "${work}")
  run(sh "${build}" "${MAIN}" "${prefix}" "${work}/app")
  run("${work}/app")
  if(STEP STREQUAL "pkg_config")
    foreach(component IN LISTS COMPONENTS)
      set(app "${work}/app_with_${component}")
      run(sh "${build}" "${CMAKE_CURRENT_LIST_DIR}/with_${component}.cpp" "${prefix}" "${app}" shardplan-${component})
      run("${app}")
    endforeach()
  endif()
endif()
